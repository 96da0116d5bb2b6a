"""Builds and runs the fuzzers of the C link and the kernels: `run_fuzz.py --seconds 60`, `--regression` for the corpus.

The committed corpus (`corpus/<target>`) is only read; what a run finds is collected in `--work` (build/fuzz).
`--merge` adds to the committed corpus what reaches new code. Exit status 0: nothing was found.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

FUZZ = Path(__file__).resolve().parent
REPOSITORY = FUZZ.parents[1]
FIRMWARE = REPOSITORY / "firmware"
TEST_RUNTIME = REPOSITORY / "tests" / "firmware" / "runtime"
NETWORKS = ("test_network.c", "stream_network.c", "lazy_dma.c")
LINK = (
    *sorted((FIRMWARE / "link").glob("*.c")),
    FIRMWARE / "runtime" / "executor.c",
    *(TEST_RUNTIME / name for name in NETWORKS),
    FUZZ / "fuzz_device.c",
)
KERNELS = (
    *sorted((FIRMWARE / "kernels").glob("*.c")),
    FUZZ / "fuzz_convolutions.c",
    FUZZ / "fuzz_elements.c",
)
SOURCES = {"link_bytes": LINK, "link_session": LINK, "kernels": KERNELS}
"""What each target is linked with, `fuzz_<target>.c` aside."""
TARGETS = tuple(SOURCES)
MAX_INPUT_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Target:
    """A built fuzzer, its committed corpus and where it may write."""

    name: str
    program: Path
    corpus: Path
    work: Path

    def run(self, *options: str) -> int:
        """Run it in its work folder (findings are written there); its exit status."""
        self.work.mkdir(parents=True, exist_ok=True)
        command = [str(self.program), f"-max_len={MAX_INPUT_BYTES}", "-timeout=10", "-rss_limit_mb=1024", *options]
        return subprocess.run(command, cwd=self.work, check=False).returncode


def build(name: str, work: Path) -> Target:
    """Compile target `name` with clang, libFuzzer, ASan and UBSan; SystemExit where that fails."""
    clang = shutil.which("clang")
    if clang is None:
        raise SystemExit("The fuzzers need clang: sudo apt install clang libclang-rt-14-dev (or your version's).")
    work.mkdir(parents=True, exist_ok=True)
    program = work / f"fuzz_{name}"
    sources = (*SOURCES[name], FUZZ / f"fuzz_{name}.c")
    flags = ["-std=c11", "-O1", "-g", "-Wall", "-Wextra", "-Werror", "-Wconversion", "-Wshadow"]
    flags += ["-fsanitize=fuzzer,address,undefined", "-fno-sanitize-recover=all"]
    includes = [f"-I{FIRMWARE / 'include'}", f"-I{TEST_RUNTIME}", f"-I{FUZZ}"]
    command = [clang, *flags, *includes, "-o", str(program), *map(str, sources)]
    if subprocess.run(command, check=False).returncode != 0:
        raise SystemExit(f"The fuzzer {name} does not build; the compiler's messages are above.")
    return Target(name, program, FUZZ / "corpus" / name, work / name)


def regression(target: Target) -> int:
    """Every committed input once."""
    inputs = sorted(str(path) for path in target.corpus.iterdir() if path.is_file())
    if not inputs:
        raise SystemExit(f"{target.corpus} is empty.")
    return target.run(*inputs)


def explore(target: Target, seconds: int) -> int:
    """Search for `seconds`, starting from the committed corpus and what earlier runs found."""
    found = target.work / "found"
    found.mkdir(parents=True, exist_ok=True)
    return target.run(f"-max_total_time={seconds}", "-print_final_stats=1", str(found), str(target.corpus))


def merge(target: Target) -> int:
    """Add to the committed corpus what reaches code that it does not."""
    return target.run("-merge=1", "-use_counters=0", str(target.corpus), str(target.work / "found"))


def main() -> int:
    parser = argparse.ArgumentParser(description="Fuzz the C side of the link and the kernels.")
    parser.add_argument("--seconds", type=int, default=60, help="time per target (default: 60)")
    parser.add_argument("--regression", action="store_true", help="run the committed corpus only")
    parser.add_argument("--merge", action="store_true", help="then add new coverage to the committed corpus")
    parser.add_argument("--target", choices=TARGETS, action="append", help="only this one (default: all)")
    parser.add_argument("--work", type=Path, default=REPOSITORY / "build" / "fuzz", help="where to build and write")
    options = parser.parse_args()
    for name in options.target or TARGETS:
        target = build(name, options.work.resolve())
        status = regression(target) if options.regression else explore(target, options.seconds)
        if status == 0 and options.merge:
            status = merge(target)
        if status != 0:
            print(f"The fuzzer {name} found a fault; the input is in {target.work}.", file=sys.stderr)
            return status
    return 0


if __name__ == "__main__":
    sys.exit(main())
