"""Benchmarks for the claim that takes follow the motion: drawn test clips with known motion, and judges of generated
clips."""
