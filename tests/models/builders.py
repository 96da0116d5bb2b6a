"""The builder of QDQ models, where the tests look for it."""

from __future__ import annotations

from tinyanime.codegen.models.qdq import UNIFORM_RMS, Activation, Floating, Pads, Pair, QdqBuilder, save

__all__ = ["UNIFORM_RMS", "Activation", "Floating", "Pads", "Pair", "QdqBuilder", "save"]
