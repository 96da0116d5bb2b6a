"""The compiler: ONNX to a complete C project, with the exact integer reference."""
