"""Pictures to int8 tensors and back."""
