"""Judges of the promise "motion follows": held-out drawn clips of known motion, and what generated clips made of it."""
