"""Model families, each behind the contract of `base`."""
