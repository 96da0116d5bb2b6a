"""Finding and checking the CMSIS-NN sources that a project links."""
