"""Known sets, near index, stacks."""
