"""Generators by shape, where the tests look for them."""

from __future__ import annotations

from tinyanime.codegen.models.generators import small_generator, student_32_64_128

__all__ = ["small_generator", "student_32_64_128"]
