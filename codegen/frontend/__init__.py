"""ONNX to IR: `load_model`; one file per operator family, listed in `operators.py`."""

from tinyanime.codegen.frontend.load import load_model

__all__ = ["load_model"]
