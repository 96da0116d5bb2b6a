"""One line of the comparison: what an engine needs for a network, or for one of its layers, on one core."""

from __future__ import annotations

from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Figures:
    """`layer` is None for the whole network, else the operator's name; `kernel` is what computes it.

    `instructions` are counted on the emulated core, `modelled_cycles` are the cycle model's (None for cores that it
    does not know); `stall_cycles` of them are the waits for the DMA that the plan expects, in no layer.
    Bytes: `ram_bytes` feature maps, input, output and kernel scratch; `flash_bytes` code, constants and initial data
    of a program without link and drivers; `kernel_code_bytes` the kernels' functions in it. Bytes and `output_sha256`
    (of the output tensor) are those of the whole network. `output_equal`: the output is the Python integer reference's,
    byte for byte. `instructions` is None where the engine cannot take the network: `note` says why, or what was
    different.
    """

    network: str
    layer: str | None
    core: str
    engine: str
    macs: int
    kernel: str = ""
    instructions: int | None = None
    modelled_cycles: int | None = None
    stall_cycles: int | None = None
    ram_bytes: int | None = None
    flash_bytes: int | None = None
    kernel_code_bytes: int | None = None
    output_sha256: str | None = None
    output_equal: bool | None = None
    note: str = ""

    @property
    def macs_per_cycle(self) -> float | None:
        """Effective rate: the network's own multiply-accumulates, however many the kernels execute."""
        return self.macs / self.modelled_cycles if self.modelled_cycles else None

    @property
    def instructions_per_mac(self) -> float | None:
        return self.instructions / self.macs if self.instructions and self.macs else None


def as_json(figures: Figures) -> dict[str, object]:
    """A JSON object."""
    return asdict(figures)
