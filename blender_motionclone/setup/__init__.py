"""What a job needs before it can run: the backend, its installation, and models."""
