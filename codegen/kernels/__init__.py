"""Which kernels can compute an operator, what they need and cost, and which one is chosen."""
