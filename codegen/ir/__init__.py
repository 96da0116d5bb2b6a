"""Intermediate representation: quantized tensors, operators and graphs."""
