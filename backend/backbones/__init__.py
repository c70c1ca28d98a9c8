"""Model families. Each implements the `Backbone` contract in `base`."""
