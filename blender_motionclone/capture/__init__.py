"""Scene -> files: the reference clip and the job request."""
