"""ESP-NN calls for (bands of) one-operator networks, made as generated code makes them, and what runs them."""

from __future__ import annotations

import functools
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.support.cmsis_cases import BandCall, band_call, conv_band, quantization_arrays
from tests.support.host_program import HostProgram
from tests.support.kernel_case import Kernel, KernelCase
from tests.support.one_op import OneOp
from tinyanime.codegen.esp_nn.library import DEFINES, FUNCTIONS, INCLUDE_FOLDERS
from tinyanime.codegen.esp_nn.scratch import convolve_scratch_bytes, depthwise_scratch_bytes
from tinyanime.codegen.esp_nn.sources import bakenn_library
from tinyanime.codegen.esp_nn.window import WindowCall, whole_call
from tinyanime.codegen.ir.ops import Add, AveragePool, Conv2D, FullyConnected, MaxPool
from tinyanime.codegen.ir.rescale import add_parameters

_SUPPORT = Path(__file__).parent
_COMPILED_INLINE = ("esp_nn_conv_s8_1x1_esp32s3.c",)
"""C with the chip's instructions inline."""


@dataclass(frozen=True, slots=True)
class EspNnPrograms:
    """`generic`: the C for every chip. `esp32s3`: that chip's C, with `esp_nn_vectors.c` in the place of assembly."""

    generic: HostProgram
    esp32s3: HostProgram

    @property
    def all(self) -> tuple[HostProgram, HostProgram]:
        return self.generic, self.esp32s3


@functools.cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="tinyanime-esp-nn-")


@functools.cache
def esp_nn_programs() -> EspNnPrograms:
    """Both programs on the PC, with the address sanitizer; built once per session."""
    library = bakenn_library()
    found = library.sources_for(FUNCTIONS)
    generic = [library.root / path for path in found.generic]
    own = [
        library.root / path for path in found.esp32s3 if path.endswith(".c") and Path(path).name not in _COMPILED_INLINE
    ]
    vectors = _SUPPORT / "esp_nn_vectors.c"
    return EspNnPrograms(
        _program("generic", generic, ()),
        _program("esp32s3", [*generic, *own, vectors], ("CONFIG_IDF_TARGET_ESP32S3=1",)),
    )


def _program(name: str, sources: list[Path], defines: tuple[str, ...]) -> HostProgram:
    target = Path(_folder().name) / name
    compiler = shutil.which("gcc") or "clang"
    includes = [f"-I{bakenn_library().root / folder}" for folder in INCLUDE_FOLDERS]
    macros = [f"-D{macro}" for macro in (*DEFINES, *defines)]
    files = [*sources, _SUPPORT / "esp_nn_shim.c", _SUPPORT / "kernel_driver.c"]
    command = [compiler, "-std=gnu11", "-O1", "-g", "-w", "-fsanitize=address", *macros, *includes, *map(str, files)]
    done = subprocess.run([*command, "-o", str(target)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return HostProgram(f"ESP-NN {name}", target)


def window_call(case: OneOp, band: BandCall) -> WindowCall:
    """The band as working memory is counted for it."""
    op = case.op
    assert isinstance(op, Conv2D)
    whole = whole_call(case.graph, op)
    return WindowCall(
        band.rows_in.count,
        whole.in_width,
        whole.in_channels,
        band.rows_out.count,
        whole.out_width,
        whole.out_channels,
        whole.kernel,
        whole.stride,
        band.padding,
    )


def convolution_case(case: OneOp, out_rows: tuple[int, int], *, asked: bool = False) -> KernelCase:
    """`esp_nn_conv_s8` or `esp_nn_depthwise_conv_s8`; `asked`: what it asks for instead."""
    op = case.op
    assert isinstance(op, Conv2D)
    band, source, target = conv_band(case, out_rows), case.input, case.output
    depthwise = op.groups > 1
    scalars = (
        *(band.rows_in.count, source.width, source.channels),
        *(band.rows_out.count, target.width, target.channels),
        *(op.filter.kernel.height, op.filter.kernel.width, op.stride.height, op.stride.width),
        *(band.padding.top, band.padding.left),
        *(-source.quantization.zero_point, target.quantization.zero_point, op.clamp.minimum, op.clamp.maximum),
        band.rows_in.begin * source.row_bytes,
    )
    if asked:
        return KernelCase(Kernel.ESP_NN_DEPTHWISE_ASKED if depthwise else Kernel.ESP_NN_CONVOLVE_ASKED, scalars)
    whole, rows = whole_call(case.graph, op), band.rows_out.count
    size = depthwise_scratch_bytes(whole, rows) if depthwise else convolve_scratch_bytes(whole, rows, pinned=True)
    weights = op.filter.values[:, :, :, 0].transpose(1, 2, 0) if depthwise else op.filter.values
    return KernelCase(
        Kernel.ESP_NN_DEPTHWISE if depthwise else Kernel.ESP_NN_CONVOLVE,
        scalars,
        (case.inputs[0], weights, op.filter.bias, *quantization_arrays(case, op)),
        size,
        band.rows_out.count * target.row_bytes,
    )


def fully_connected_case(case: OneOp) -> KernelCase:
    op = case.op
    assert isinstance(op, FullyConnected)
    scalars = (
        *(case.input.channels, case.output.channels),
        *(-case.input.quantization.zero_point, case.output.quantization.zero_point),
        *(op.clamp.minimum, op.clamp.maximum),
    )
    inputs = (case.inputs[0], op.filter.values, op.filter.bias, *quantization_arrays(case, op))
    return KernelCase(Kernel.ESP_NN_FULLY_CONNECTED, scalars, inputs, 0, case.output.size_bytes)


def pool_case(case: OneOp, out_rows: tuple[int, int]) -> KernelCase:
    op = case.op
    assert isinstance(op, MaxPool | AveragePool)
    band = band_call(case.input.height, out_rows, op.kernel.height, op.stride.height, 1, op.padding)
    scalars = (
        *(band.rows_in.count, case.input.width, case.input.channels),
        *(band.rows_out.count, case.output.width),
        *(op.kernel.height, op.kernel.width, op.stride.height, op.stride.width),
        *(band.padding.top, band.padding.left, op.clamp.minimum, op.clamp.maximum),
        band.rows_in.begin * case.input.row_bytes,
    )
    kernel = Kernel.ESP_NN_MAX_POOL if isinstance(op, MaxPool) else Kernel.ESP_NN_AVERAGE_POOL
    return KernelCase(kernel, scalars, (case.inputs[0],), 0, band.rows_out.count * case.output.row_bytes)


def add_case(case: OneOp, out_rows: tuple[int, int], *, output_begin: int = 0) -> KernelCase:
    """`output_begin`: bytes before the output."""
    op = case.op
    assert isinstance(op, Add)
    p = add_parameters(op, case.graph)
    size = (out_rows[1] - out_rows[0]) * case.output.row_bytes
    scalars = (
        *(p.a_offset, p.a_multiplier.mantissa, p.a_multiplier.shift),
        *(p.b_offset, p.b_multiplier.mantissa, p.b_multiplier.shift, p.left_shift),
        *(p.out_offset, p.out_multiplier.mantissa, p.out_multiplier.shift, p.clamp.minimum, p.clamp.maximum),
        *(size, out_rows[0] * case.output.row_bytes, output_begin),
    )
    inputs = tuple(np.ascontiguousarray(x) for x in case.inputs)
    return KernelCase(Kernel.ESP_NN_ADD, scalars, inputs, 0, output_begin + size)
