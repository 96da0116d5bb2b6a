"""Modelled cycles of a Cortex-M7: executed blocks times an in-order dual-issue model of each; docs/cycle_model.md."""

from tinyanime.host.cycle_model.flow import ExecutedBlock, Passage
from tinyanime.host.cycle_model.memory import LinesTouched, MemoryCosts, RegionCost, memory_costs
from tinyanime.host.cycle_model.report import CodeReader, CycleModel, CycleReport, FunctionCycles, modelled_cycles
from tinyanime.host.cycle_model.symbols import FunctionTable, functions_of

__all__ = [
    "CodeReader",
    "CycleModel",
    "CycleReport",
    "ExecutedBlock",
    "FunctionCycles",
    "FunctionTable",
    "LinesTouched",
    "MemoryCosts",
    "Passage",
    "RegionCost",
    "functions_of",
    "memory_costs",
    "modelled_cycles",
]
