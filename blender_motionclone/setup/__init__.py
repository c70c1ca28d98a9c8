"""What has to be there before a job can run: the backend, its installation, its models."""
