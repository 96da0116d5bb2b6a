"""The colours of the page's charts, for the pictures: read from the style sheet, so that both are the same."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files


@cache
def light_colors() -> Mapping[str, str]:
    """Colours on a light background by name, as "#rrggbb"."""
    style = files("tinyanime.templates").joinpath("report", "style.css").read_text(encoding="utf-8")
    root = style[style.index(":root {") : style.index("}")]
    return dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", root))
