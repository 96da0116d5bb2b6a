"""Stands in for pyOCD: answers from the file named by FAKE_PYOCD, as pyOCD 0.46 does, and logs its command lines."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path


def main() -> int:
    behaviour = json.loads(Path(os.environ["FAKE_PYOCD"]).read_text())
    command, *rest = sys.argv[1:]
    with Path(behaviour["log"]).open("a") as log:
        log.write(json.dumps(sys.argv[1:]) + "\n")
    if command == "json":
        key = "boards" if "--probes" in rest else "targets"
        print(json.dumps({"status": 0, key: behaviour[key]}))
    elif command == "load":
        print("[---|---]", "10% 50% 100%", flush=True)
        if behaviour["load_fails"]:
            print("C flash algorithm failed [__main__]", file=sys.stderr)
            return 1
    else:
        compares = [rest[i + 1] for i, word in enumerate(rest) if word == "-c" and rest[i + 1].startswith("compare")]
        for compare in compares:
            _, address, path = compare.split()
            size = Path(path).stat().st_size
            if behaviour["mismatch"]:
                print(f"Mismatched byte at {address} (offset 0x0): 0x00 (memory) != 0xff (file)")
            else:
                print(f"All {size} bytes match.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
