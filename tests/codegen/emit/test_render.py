from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinyanime.codegen.emit.render import c_array, c_bytes, c_comment, c_float, c_string


def test_strings_are_escaped_for_c() -> None:
    assert c_string('a"b\\c\n?') == '"a\\042b\\134c\\012\\077"'


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_a_float_literal_reads_back_as_the_same_single(value: float) -> None:
    literal = c_float(value)
    assert literal.endswith("f")
    assert np.float32(literal[:-1]) == np.float32(value)
    assert "." in literal or "e" in literal


def test_a_float_without_a_literal_is_refused() -> None:
    with pytest.raises(ValueError, match="single-precision"):
        c_float(1e39)


def test_the_smallest_int32_is_written_without_overflow() -> None:
    assert c_array(np.array([-(2**31), 5], dtype=np.int32)) == "    (-2147483647 - 1), 5"


def test_bytes_are_hexadecimal() -> None:
    assert c_bytes(b"\x00\xff") == "0x00, 0xff"


@given(st.text())
def test_no_text_leaves_the_comment_it_stands_in(text: str) -> None:
    comment = c_comment(text)
    assert len(comment) < 120
    assert comment.isascii()
    assert comment.isprintable()
    assert not any(mark in comment for mark in ("*/", "/*", "??", "\\"))


@pytest.mark.parametrize(
    ("text", "comment"),
    [
        ("/encoder/conv.1/Conv", "/encoder/conv.1/Conv"),
        ("a*/b/*c*/*", "a* /b/ *c* / *"),
        ("two\nlines", "two lines"),
        ("what??/", "what? ?/"),
        ("caf\u00e9\\", "caf__"),
        ("x" * 400, "x" * 108 + " ..."),
    ],
)
def test_foreign_text_in_comments_stays_readable(text: str, comment: str) -> None:
    assert c_comment(text) == comment
