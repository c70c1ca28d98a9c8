"""`python3 -m install`: makes the environments, runs the tests and the demo. Standard library only, nothing of ours."""
