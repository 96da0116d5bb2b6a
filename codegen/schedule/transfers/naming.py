"""Names of new buffers."""

from __future__ import annotations

from dataclasses import dataclass, field

from tinyanime.codegen.schedule.plan import Schedule


@dataclass(slots=True)
class BufferNames:
    """Hands out buffer names that neither a tensor nor another buffer has."""

    taken: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, schedule: Schedule) -> BufferNames:
        return cls({*schedule.graph.tensors, *(buffer.name for buffer in schedule.buffers)})

    def fresh(self, stem: str) -> str:
        """`stem`, with underscores behind it where it is taken."""
        while stem in self.taken:
            stem += "_"
        self.taken.add(stem)
        return stem
