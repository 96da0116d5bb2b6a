"""What `tinyanime compile` tells about the schedule, and what its options change."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.models.builders import QdqBuilder, save
from tinyanime.codegen.bundle import load_bundle
from tinyanime.codegen.errors import DoesNotFitError
from tinyanime.host.commands.compile import compile_command


def model(path: Path) -> Path:
    """Three convolutions on 48 x 48; the weights of the second are larger than a cache keeps."""
    builder = QdqBuilder(3, name="three")
    x = builder.conv(builder.input((1, 3, 48, 48)), 32, relu=True, stride=(2, 2))
    x = builder.conv(x, 40, relu=True)
    return save(builder.finish(builder.conv(builder.resize(x, (2, 2)), 3)), path)


def compiled(folder: Path, *options: str) -> Result:
    arguments = [str(model(folder / "m.onnx")), "-b", "stm32h743", "-o", str(folder / "p"), "-q", *options]
    result = CliRunner().invoke(compile_command, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result


def test_the_summary_names_the_proof_and_the_transfers(tmp_path: Path) -> None:
    # CMSIS-NN reads the weights of the second convolution so often that a copy pays.
    lines = compiled(tmp_path, "--kernels", "cmsis-nn").output.splitlines()
    proof = load_bundle(tmp_path / "p").manifest.certificate
    assert proof.proven
    peak = f"{proof.total_peak_bytes:,}"
    assert f"Planned peak of all banks: {peak} bytes, proven optimal (bound {peak}, gap 0)." in lines
    schedule = next(line for line in lines if line.startswith("Schedule: "))
    assert "optimized for time" in schedule
    assert "1 transfer of 11,520 bytes" in schedule
    assert not any(line.startswith("stage 0") for line in lines)


def test_no_dma_leaves_the_weights_in_flash(tmp_path: Path) -> None:
    output = compiled(tmp_path, "--no-dma", "--kernels", "cmsis-nn").output
    assert "transfer" not in output
    assert not load_bundle(tmp_path / "p").manifest.transfers


def test_ram_needs_less_than_layers_and_each_says_what_it_is(tmp_path: Path) -> None:
    figures = {}
    for choice in ("ram", "layers"):
        (tmp_path / choice).mkdir()
        figures[choice] = json.loads(compiled(tmp_path / choice, "--optimize", choice, "--json").output)
        assert figures[choice]["optimize"] == choice
        banks = figures[choice]["banks"]
        assert sum(bank["peak_bytes"] for bank in banks) == figures[choice]["peak_bytes"]
        assert figures[choice]["gap_bytes"] == figures[choice]["peak_bytes"] - figures[choice]["lower_bound_bytes"]
    assert figures["ram"]["peak_bytes"] < figures["layers"]["peak_bytes"]
    assert figures["layers"]["steps"] == figures["layers"]["kernel_calls"] == figures["layers"]["layers"]


@pytest.mark.parametrize("option", ["--dma", "--stream"])
def test_whole_layers_take_neither_transfers_nor_streams(tmp_path: Path, option: str) -> None:
    arguments = [str(model(tmp_path / "m.onnx")), "-b", "stm32h743", "-o", str(tmp_path / "p")]
    result = CliRunner().invoke(compile_command, [*arguments, "--optimize", "layers", option])
    assert result.exit_code == 2
    assert f"{option} does not go with --optimize layers" in result.output
    assert not (tmp_path / "p").exists()


def test_whole_layers_that_do_not_fit_are_sent_to_strips(tmp_path: Path) -> None:
    builder = QdqBuilder(3, name="wide")
    x = builder.conv(builder.input((1, 3, 128, 128)), 48)
    path = save(builder.finish(builder.conv(x, 3)), tmp_path / "wide.onnx")
    arguments = [str(path), "-b", "stm32h743", "-o", str(tmp_path / "p"), "-q"]
    with pytest.raises(DoesNotFitError) as caught:
        CliRunner().invoke(compile_command, [*arguments, "--optimize", "layers"], catch_exceptions=False)
    assert "Compile it in strips (--optimize time)." in caught.value.hint
    assert CliRunner().invoke(compile_command, arguments).exit_code == 0


def test_the_schedule_is_printed_when_asked_for(tmp_path: Path) -> None:
    lines = compiled(tmp_path, "-v", "--stream").output.splitlines()
    assert any(line.startswith("input 'photo': streamed through ") for line in lines)
    assert any(line.startswith("stage 0: ") for line in lines)
    assert ", input streamed through " in next(line for line in lines if line.startswith("Schedule: "))
