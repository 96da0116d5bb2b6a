"""`tinyanime info`: what the device says about itself."""

from __future__ import annotations

from dataclasses import asdict

import click

from tinyanime.host.commands.options import examples, output_options, port_option
from tinyanime.host.console import Console
from tinyanime.host.discovery import Connection, connect
from tinyanime.host.link.device_info import TensorInfo


@click.command(
    epilog=examples("tinyanime info", "tinyanime info --port /dev/ttyACM0", "tinyanime info --port /dev/pts/3 --json")
)
@port_option()
@output_options
def info(port: str | None, console: Console) -> None:
    """Ask the device what it is and what it runs: board, model, hashes, versions, clock, free memory."""
    with connect(port, note=console.note) as connection:
        for name, value in _lines(connection):
            console.say(f"{name + ':':18}{value}")
        answer = connection.info
        console.result(
            {
                "port": connection.port,
                "virtual": connection.virtual,
                **asdict(answer),
                "state": answer.state.name.lower(),
            }
        )


def _lines(connection: Connection) -> tuple[tuple[str, str], ...]:
    info = connection.info
    stack = "unknown" if info.stack_free_bytes is None else f"{info.stack_free_bytes:,} bytes"
    return (
        ("port", f"{connection.port}{' (virtual board)' if connection.virtual else ''}"),
        ("board", info.board),
        ("model", info.model),
        ("input", _tensor(info.input)),
        ("output", _tensor(info.output)),
        ("layers", f"{info.layer_count} in {info.step_count:,} steps"),
        ("kernels", info.kernels),
        ("manifest", info.manifest_sha256),
        ("model hash", info.model_sha256),
        ("firmware", f"{info.firmware_version}, link protocol {info.protocol_version}"),
        ("clock", f"{info.clock_hz / 1e6:.1f} MHz"),
        ("free RAM", f"{info.free_ram_bytes:,} bytes"),
        ("free stack", stack),
        ("self-check", "passed" if info.self_check == 0 else f"FAILED with status {info.self_check}"),
        ("state", info.state.name.lower()),
        ("chip id", info.unique_id),
        ("running for", f"{info.uptime_ms / 1000:.1f} s"),
    )


def _tensor(tensor: TensorInfo) -> str:
    streamed = f", streamed through a window of {tensor.window_bytes:,} bytes" if tensor.window_bytes else ""
    return (
        f"{tensor.width} x {tensor.height} x {tensor.channels}, scale {tensor.scale:g}, "
        f"zero point {tensor.zero_point}{streamed}"
    )
