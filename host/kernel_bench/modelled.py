"""Modelled cycles of what ran on an emulated core."""

from __future__ import annotations

from tinyanime.host.kernel_bench.cores import BenchCore
from tinyanime.host.kernel_bench.emulation import Section
from tinyanime.host.kernel_bench.engines import BuiltNetwork


class CycleModel:
    """The model of one core for one linked program."""

    @classmethod
    def of(cls, core: BenchCore, built: BuiltNetwork) -> CycleModel | None:
        del core, built
        return None

    def cycles(self, section: Section) -> int:
        raise NotImplementedError
