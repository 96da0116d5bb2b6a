"""The hazard checker: executes a schedule symbolically; shares only types with the scheduler."""
