"""`tinyanime compile`: ONNX model and board in, firmware project out."""

from __future__ import annotations

import time
from pathlib import Path

import click

from tinyanime.codegen.bundle import Bundle
from tinyanime.host.commands.options import DIRECTORY, board_option, examples, output_options
from tinyanime.host.console import Console, thousands


@click.command(
    "compile",
    epilog=examples(
        "tinyanime compile model.onnx --board stm32h743 -o build/stm32h743",
        "tinyanime compile model.onnx --board boards/my_board.toml -o out --cmsis-nn ~/CMSIS-NN",
    ),
)
@click.argument("model", type=click.Path(path_type=Path))
@board_option()
@click.option("-o", "--output", required=True, type=DIRECTORY, help="Folder for the project.")
@click.option("--cmsis-nn", type=DIRECTORY, help="CMSIS-NN sources to use instead of an installed pack or the wheel's.")
@click.option("--print-ir", is_flag=True, help="Print the network as it is compiled, after all passes.")
@output_options
def compile_command(
    model: Path, board: str, output: Path, cmsis_nn: Path | None, print_ir: bool, console: Console
) -> None:
    """Compile the quantized ONNX MODEL into a complete firmware project for BOARD.

    The project folder holds readable C, the linker script, a Makefile, a copy of the model and manifest.json;
    `make` inside it builds the firmware.
    """
    from tinyanime.boards.loader import load_board
    from tinyanime.codegen.compiler import CompileOptions, compile_model
    from tinyanime.codegen.ir.graph import Graph
    from tinyanime.codegen.ir.text import format_graph

    started = time.monotonic()
    graphs: list[Graph] = []
    try:
        with console.progress() as report:
            bundle = compile_model(
                model,
                load_board(board),
                output,
                options=CompileOptions(cmsis_nn=cmsis_nn, inspect=graphs.append),
                progress=lambda stage, done, total: report(stage, done, total) if done < total else None,
            )
    finally:
        # Of most use where the model does not fit.
        for graph in graphs if print_ir else ():
            console.say(format_graph(graph))
    _print_summary(bundle, console, time.monotonic() - started)
    console.result(_as_json(bundle))


def _print_summary(bundle: Bundle, console: Console, seconds: float) -> None:
    manifest = bundle.manifest
    macs = sum(layer.macs for layer in manifest.layers)
    console.say(
        f"{manifest.model_name}: {len(manifest.layers)} layers in {len(manifest.steps)} kernel calls, "
        f"{macs / 1e6:.1f} million MACs, {thousands(manifest.weights_bytes)} bytes of weights."
    )
    console.table(
        ("bank", "planned peak", "of", "free"),
        [
            (b.name, thousands(b.peak_bytes), thousands(b.available_bytes), thousands(b.available_bytes - b.peak_bytes))
            for b in manifest.banks
        ],
    )
    console.say(f"Kernels: {manifest.kernels}.")
    console.say(f"Project for {manifest.board} written to {bundle.directory} in {seconds:.1f} s.")
    console.say(f"Build it with: make -C {bundle.directory}")


def _as_json(bundle: Bundle) -> dict[str, object]:
    manifest = bundle.manifest
    return {
        "directory": str(bundle.directory),
        "board": manifest.board,
        "model": manifest.model_name,
        "manifest_sha256": manifest.sha256().hex(),
        "layers": len(manifest.layers),
        "kernel_calls": len(manifest.steps),
        "macs": sum(layer.macs for layer in manifest.layers),
        "weights_bytes": manifest.weights_bytes,
        "kernels": manifest.kernels,
        "banks": [
            {"name": b.name, "peak_bytes": b.peak_bytes, "available_bytes": b.available_bytes} for b in manifest.banks
        ],
    }
