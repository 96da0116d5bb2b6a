"""Pictures: loading, framing, quantizing, writing."""
