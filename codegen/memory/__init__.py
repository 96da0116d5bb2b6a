"""Static placement of buffers in the memory banks of a board."""
