"""The table of operators."""

from __future__ import annotations

from tests.support.report_study import report_study
from tinyanime.host.report.layers import layers_of


def test_the_operators_add_up_to_the_whole() -> None:
    study = report_study()
    layers = layers_of(study.planned, study.board)
    timeline = study.planned.timeline
    assert sum(layer.cycles for layer in layers) == timeline.total_cycles
    assert sum(layer.stall_cycles for layer in layers) == timeline.stall_cycles
    assert sum(layer.steps for layer in layers) == len(study.planned.schedule.steps)
    assert sum(layer.transfers for layer in layers) == len(timeline.transfers)
    assert sum(layer.transfer_bytes for layer in layers) == timeline.transferred_bytes


def test_weights_are_read_from_the_slot_where_they_stream_and_from_flash_where_not() -> None:
    study = report_study()
    layers = layers_of(study.planned, study.board)
    convolutions = [layer for layer in layers if layer.kind == "Conv2D"]
    assert [layer.weights_bytes for layer in convolutions] == [1728, 36864, 36864, 1728]
    assert [layer.weights_from for layer in convolutions] == ["flash", "dtcm", "dtcm", "flash"]
    assert [layer.transfers > 0 for layer in convolutions] == [False, True, True, False]
    (addition,) = [layer for layer in layers if layer.kind == "Add"]
    assert (addition.weights_bytes, addition.weights_from, addition.macs) == (0, "", 0)
    assert addition.kernel == "ta_add_s8"
