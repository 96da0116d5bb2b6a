"""Parts of `tinyanime bench-kernels`: engines, images for bare cores, exact counts per layer, tables, baseline."""
