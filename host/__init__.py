"""Host tools: command line, serial link, pictures, flashing, virtual boards."""
