"""Jobs and the takes that come of them: making, queueing, running, keeping, offering."""
