"""Files -> scene: what comes back from a job."""
