"""From files to the scene: what a job produces."""
