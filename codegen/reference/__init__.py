"""Exact integer interpreter, one file per operator: the only definition of "correct"."""

from tinyanime.codegen.reference.interpreter import run_op, run_reference

__all__ = ["run_op", "run_reference"]
