"""C sources of the firmware, shipped as package data."""
