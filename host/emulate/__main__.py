"""`python -m tinyanime.host.emulate BOARD IMAGE`: one virtual board as a process of its own (see launch.py).

Ends when its standard input does: so a board never outlives who started it, however that ended.
Prints "port NAME" once the board can be reached; errors go to stderr. Ends with 0 on SIGTERM or SIGINT, else with the
exit code of the error.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from tinyanime.boards.loader import load_board
from tinyanime.codegen.errors import UserError
from tinyanime.host.emulate.serving import parse_setting, serve_until_signalled


def _announce(port: str) -> None:
    print(f"port {port}", flush=True)


def _end_with_input() -> None:
    """Switches the board off, as SIGTERM does, at the end of standard input."""
    while os.read(0, 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tinyanime.host.emulate")
    parser.add_argument("board")
    parser.add_argument("image", type=Path)
    parser.add_argument("--tcp", type=int, default=None, help="TCP port instead of a pty; 0 takes a free one")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="emulator setting")
    options = parser.parse_args(arguments)
    threading.Thread(target=_end_with_input, daemon=True).start()
    try:
        settings = tuple(parse_setting(item) for item in options.set)
        board = load_board(options.board)
        serve_until_signalled(board, options.image, options.tcp, settings, _announce)
    except UserError as error:
        print(f"Error: {error.message}\n{error.hint}".rstrip(), file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
