"""`python -m tinyanime.host.emulate BOARD IMAGE`: one virtual board as a process of its own (see launch.py).

Prints "port NAME" once the board can be reached; errors go to stderr. Ends with 0 on SIGTERM or SIGINT, else with the
exit code of the error.
"""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType

from tinyanime.boards.loader import load_board
from tinyanime.codegen.errors import UserError
from tinyanime.host.emulate.machine import ServeOptions, serve_function
from tinyanime.host.emulate.registry import registered


def serve_until_signalled(
    board_name: str,
    image: Path,
    tcp_port: int | None,
    settings: tuple[tuple[str, str], ...],
    say: Callable[[str], None],
) -> None:
    """Serves in this process until SIGTERM or SIGINT; raises UserError."""
    board = load_board(board_name)
    stop = threading.Event()

    def on_signal(number: int, frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, on_signal)
    with registered(board.name) as register:

        def announce(port: str) -> None:
            register(port)
            say(port)

        serve_function(board)(board, image, ServeOptions(tcp_port, stop, announce, settings))


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tinyanime.host.emulate")
    parser.add_argument("board")
    parser.add_argument("image", type=Path)
    parser.add_argument("--tcp", type=int, default=None, help="TCP port instead of a pty; 0 takes a free one")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="emulator setting")
    options = parser.parse_args(arguments)
    settings = tuple((name, value) for name, _, value in (item.partition("=") for item in options.set))
    try:
        serve_until_signalled(
            options.board, options.image, options.tcp, settings, lambda port: print(f"port {port}", flush=True)
        )
    except UserError as error:
        print(f"Error: {error.message}\n{error.hint}".rstrip(), file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
