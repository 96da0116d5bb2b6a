"""All passes together change no output, whatever the network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.models.builders import save
from tests.models.random_networks import random_network
from tests.support.onnx_oracle import random_inputs
from tinyanime.codegen.frontend import load_model
from tinyanime.codegen.pipeline import load_and_prepare
from tinyanime.codegen.reference import run_reference


@pytest.mark.parametrize("seed", range(100, 116))
def test_passes_change_no_output(seed: int, tmp_path: Path) -> None:
    path = save(random_network(seed), tmp_path / "model.onnx")
    raw, prepared = load_model(path), load_and_prepare(path)
    assert (raw.inputs, raw.outputs) == (prepared.inputs, prepared.outputs)
    inputs = random_inputs(raw, seed)
    before, after = run_reference(raw, inputs), run_reference(prepared, inputs)
    for name in raw.outputs:
        assert np.array_equal(before[name], after[name])
    assert set(after) == set(prepared.tensors)
