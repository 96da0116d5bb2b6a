"""Serial link: frames, client and transports."""
