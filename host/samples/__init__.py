"""Sample photos."""
