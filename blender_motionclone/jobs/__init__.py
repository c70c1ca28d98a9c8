"""Jobs and their takes: creating, queueing, running, listing and recovering them."""
