from __future__ import annotations

import sys

import pytest

from tinyanime.boards.loader import load_board
from tinyanime.codegen.errors import ToolError
from tinyanime.host.emulate.machine import serve_function


def test_without_unicorn_the_error_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("tinyanime.host.emulate.")]:
        if name.endswith(("stm32h7.board", "block_counter", "uart_fifo")):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "unicorn", None)
    with pytest.raises(ToolError, match="needs the Python package unicorn") as caught:
        serve_function(load_board("stm32h743"))
    assert caught.value.hint == "Install it: pip install 'tinyanime[emulate]'"
