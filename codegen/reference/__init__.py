"""Exact integer interpreter: the only definition of a correct result."""
