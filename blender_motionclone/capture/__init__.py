"""From the scene to files: the reference clip and the job request."""
