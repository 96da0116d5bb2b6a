"""Virtual boards: the unmodified firmware image behind a serial endpoint."""
