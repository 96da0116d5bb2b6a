"""ONNX to IR."""
