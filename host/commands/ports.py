"""`tinyanime ports`: where a board may be."""

from __future__ import annotations

import click

from tinyanime.host.commands.options import examples, output_options
from tinyanime.host.console import Console


@click.command(epilog=examples("tinyanime ports", "tinyanime ports --json"))
@output_options
def ports(console: Console) -> None:
    """List running virtual boards and serial ports, with the board that each probably is.

    Nothing is sent to the ports; `tinyanime info` asks them.
    """
    from tinyanime.host.discovery import list_candidates

    candidates = list_candidates()
    if candidates:
        console.table(
            ("port", "board", "virtual", "USB id", "description"),
            [
                (
                    c.port,
                    " or ".join(c.boards) or "unknown",
                    "yes" if c.virtual else "no",
                    c.usb_id or "-",
                    c.description,
                )
                for c in candidates
            ],
        )
    else:
        console.say("No port was found: plug a board in, or start a virtual one with `tinyanime emulate`.")
    console.result(
        [
            {
                "port": c.port,
                "description": c.description,
                "usb_id": c.usb_id,
                "boards": list(c.boards),
                "virtual": c.virtual,
            }
            for c in candidates
        ]
    )
