"""Finding the ESP-NN sources that a project links, and what is known of their calls."""
