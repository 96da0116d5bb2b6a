"""Strips: stages of operators run row by row through line buffers; their layout is searched."""
