"""Order of work: stages, row bands and steps."""
