"""A synthetic operation with its ground truth, and scoring against it."""
