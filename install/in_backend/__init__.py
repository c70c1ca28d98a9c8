"""Child processes that run in the backend's environment. The installer itself needs only the standard library."""
