"""Distils the photo-to-anime student from its teacher and quantizes it to an int8 QDQ ONNX file."""
