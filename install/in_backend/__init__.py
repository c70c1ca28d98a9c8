"""What runs in the backend's environment, as children: the installer itself needs nothing but the standard library."""
