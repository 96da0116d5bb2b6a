"""ONNX to IR: `load_model` in `load.py`; one file per operator family, listed in `operators.py`."""
