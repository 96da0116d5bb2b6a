"""Every operator has a kernel that is ours and portable; it refuses what CMSIS-NN's would have refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.models.builders import save
from tests.models.random_networks import LAYERS, layer_network
from tests.support.graphs import tensor
from tinyanime.codegen.errors import ModelError
from tinyanime.codegen.ir.graph import Graph
from tinyanime.codegen.ir.ops import AveragePool, MaxPool, Padding, Size2D
from tinyanime.codegen.kernels.catalogue import CATALOGUE
from tinyanime.codegen.kernels.kernel import KernelSource
from tinyanime.codegen.kernels.portable import portable_kernel
from tinyanime.codegen.pipeline import load_and_prepare

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("layer", LAYERS)
def test_every_operator_goes_to_a_kernel_in_firmware(layer: str, tmp_path: Path) -> None:
    graph = load_and_prepare(save(layer_network(layer, 2), tmp_path / "model.onnx"))
    special = {kernel.function for kernel in CATALOGUE}
    for op in graph.ops:
        kernel = portable_kernel(graph, op)
        assert kernel.source is KernelSource.TINYANIME
        assert kernel.function not in special
        assert (ROOT / "firmware" / "kernels" / f"{kernel.function}.c").is_file()


@pytest.mark.parametrize("kind", [MaxPool, AveragePool])
def test_a_pool_window_in_the_padding_is_refused_as_by_the_plain_kernel(
    kind: type[MaxPool] | type[AveragePool],
) -> None:
    op = kind(
        name="pool7", inputs=("x",), output="y", kernel=Size2D(2, 2), stride=Size2D(2, 2), padding=Padding(2, 2, 0, 0)
    )
    graph = Graph("g", ("x",), ("y",), {"x": tensor("x", 6, 1), "y": tensor("y", 4, 1)}, (op,))
    with pytest.raises(ModelError, match=r"'pool7' .* lies wholly in the padding"):
        portable_kernel(graph, op)
