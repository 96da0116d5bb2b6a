"""Typed description of a board: memory banks, clock, serial port, tools."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path


class MemoryKind(Enum):
    FLASH = "flash"
    RAM = "ram"


class MemoryUse(Enum):
    """What the linker script and the planner may put in a region."""

    CODE = "code"
    """Vectors, text and constants."""
    FAST_CODE = "fast_code"
    """Kernels copied there by start-up."""
    DATA = "data"
    """.data and .bss, link buffers."""
    STACK = "stack"
    CORE1_STACK = "core1_stack"
    """Stack of the second core, `stack_bytes` too."""
    ACTIVATIONS = "activations"
    """Feature maps and kernel scratch, placed by the memory planner."""


class EmulatorKind(Enum):
    UNICORN = "unicorn"
    QEMU = "qemu"
    PROCESS = "process"
    """The program runs on the PC itself."""


class FlashToolKind(Enum):
    """A way to write the image to the chip."""

    PYOCD = "pyocd"
    """Through a debug probe."""
    DRIVE = "drive"
    """A UF2 file copied to the drive that the chip's boot ROM shows."""
    PICOTOOL = "picotool"
    ESPTOOL = "esptool"
    """Over the serial port, through the chip's boot ROM."""
    IDF = "idf"
    """`idf.py flash` of an ESP-IDF installation."""


class ProjectKind(Enum):
    """The folder under `templates/project` from which a project is made."""

    BAREMETAL = "baremetal"
    POSIX = "posix"
    ESP_IDF = "esp-idf"
    NUTTX = "nuttx"


@dataclass(frozen=True, slots=True)
class MemoryRegion:
    """One contiguous memory; `base` and `size_bytes` as the core addresses it.

    `access_cost` is the relative cost of one byte moved by the core (1 = tightly coupled memory).
    """

    name: str
    kind: MemoryKind
    base: int
    size_bytes: int
    uses: tuple[MemoryUse, ...]
    access_cost: int = 1
    cacheable: bool = False
    dma: bool = False
    """Whether the board's tile DMA reaches the region."""
    dma_cycles_per_kib: int = 0
    """Core cycles that the tile DMA takes for 1024 bytes that it reads from or writes to the region."""

    @property
    def end(self) -> int:
        """First address behind the region."""
        return self.base + self.size_bytes


@dataclass(frozen=True, slots=True)
class TileDma:
    """The DMA that moves weights and activation tiles while the core computes.

    Modelled time of a transfer: `setup_cycles` core cycles and the larger cost (`dma_cycles_per_kib`) of the two
    regions. `channels` transfers may be under way at once, each of at most `largest_bytes`.
    """

    name: str
    channels: int
    largest_bytes: int
    setup_cycles: int


@dataclass(frozen=True, slots=True)
class Uart:
    """The serial port that carries the link; `pins` is for people."""

    name: str
    baud: int
    pins: str
    usb_ids: tuple[str, ...]
    """"vid:pid" in hex of the USB serial adapters that such a board shows on a PC."""


@dataclass(frozen=True, slots=True)
class Toolchain:
    """`prefix` of the GCC tools ("" is the PC's own), `cpu_flags` select core and FPU."""

    prefix: str
    cpu_flags: tuple[str, ...]
    optimize: str
    link_flags: tuple[str, ...] = ()
    """Further options of the linker run."""


@dataclass(frozen=True, slots=True)
class Emulator:
    kind: EmulatorKind
    machine: str
    """unicorn: CPU model; qemu: machine name; process: empty."""


@dataclass(frozen=True, slots=True)
class FlashTool:
    """How the board is flashed; what a tool does not need stays empty."""

    tools: tuple[FlashToolKind, ...]
    """The first one that can be used is taken; none where the board has no flash to write."""
    target: str = ""
    """pyOCD's name of the chip."""
    pack: str = ""
    """CMSIS pack that describes the target, as "Vendor.Name"."""
    prepare: tuple[str, ...] = ()
    """Commands of pyOCD's commander with the core halted, before the flash is written."""
    chip: str = ""
    """esptool's name of the chip."""
    volume: str = ""
    """Label of the drive that takes a UF2 file."""
    uf2_family: int = 0
    """Family id of the UF2 blocks."""
    partition_bytes: int = 0
    """Most bytes of an image where less than the flash is for it; 0: the whole flash."""


@dataclass(frozen=True, slots=True)
class Nuttx:
    """How Apache NuttX runs on the board (`compile --rtos nuttx`)."""

    configuration: str
    """As `tools/configure.sh` takes it: "board:configuration"."""
    region: str
    """The memory region in which its linker script puts .data and .bss."""
    system_bytes: int
    """Kept there for NuttX itself: its static data, the idle task's stack, the heap."""
    clock_hz: int
    """Core clock that NuttX sets up."""
    device: str
    """Character device of the link."""


@dataclass(frozen=True, slots=True)
class Board:
    """One board; loaded from `<name>.toml` by `loader.py`."""

    name: str
    title: str
    core: str
    family: str
    """Folder under `firmware/port`."""
    clock_hz: int
    stack_bytes: int
    memory: tuple[MemoryRegion, ...]
    uart: Uart
    toolchain: Toolchain
    emulator: Emulator
    flash_tool: FlashTool
    source: Path
    """The file it was loaded from, for messages."""
    tile_dma: TileDma | None = None
    """None where transfers are copies by the core."""
    cores: int = 1
    """Cores that compute a call together."""
    project: ProjectKind = ProjectKind.BAREMETAL
    fast_code_bytes: int = 0
    """Kept for fast code where its region serves activations too."""
    nuttx: Nuttx | None = None
    """None where NuttX is not supported."""

    def regions(self, use: MemoryUse) -> tuple[MemoryRegion, ...]:
        """Regions that serve `use`, in the order of the file."""
        return tuple(region for region in self.memory if use in region.uses)

    def region(self, name: str) -> MemoryRegion:
        """The region called `name`; KeyError where there is none."""
        for candidate in self.memory:
            if candidate.name == name:
                return candidate
        raise KeyError(name)
