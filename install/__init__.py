"""`python3 -m install`: creates the environments, runs the tests and the demo. Standard library only, without our
backend."""
