"""Which C files of a library a set of functions needs.

A light scan, not a C parser: comments, strings and preprocessor lines are blanked, then every non-static function
defined at the left margin counts as defined by its file and every identifier as a use. Uses in code that the
preprocessor would leave out count too, so the answer may name a file too many, never one too few.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

_BLANKED = re.compile(
    r"""/\*.*?\*/ | //[^\n]* | "(?:\\.|[^"\\\n])*" | '(?:\\.|[^'\\\n])*' | ^[ \t]*\#(?:\\\n|[^\n])*""",
    re.DOTALL | re.MULTILINE | re.VERBOSE,
)
_DEFINITION = re.compile(
    r"^(?P<head>[A-Za-z_][\w \t\n*]*?[\s*])(?P<name>[A-Za-z_]\w*)\s*\((?P<parameters>[^;{}()]*)\)\s*\{", re.MULTILINE
)
_IDENTIFIER = re.compile(r"[A-Za-z_]\w*")
_INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*[<"]([^>"\n]+)[>"]', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A C file: functions it defines for others, identifiers it uses."""

    path: Path
    defines: frozenset[str]
    uses: frozenset[str]


def scan_source(path: Path) -> SourceFile:
    """Definitions and uses of one C file."""
    code = _BLANKED.sub(" ", path.read_text(encoding="utf-8", errors="replace"))
    defines = frozenset(match["name"] for match in _DEFINITION.finditer(code) if "static" not in match["head"].split())
    return SourceFile(path, defines, frozenset(_IDENTIFIER.findall(code)))


def files_needed(files: Iterable[SourceFile], functions: Iterable[str]) -> tuple[Path, ...]:
    """Paths of the files that define `functions` and, transitively, what these use; sorted.

    Raises KeyError with the name of a function that no file defines.
    """
    by_function: Mapping[str, SourceFile] = {name: file for file in files for name in file.defines}
    wanted = [by_function[name] for name in functions]
    needed: dict[Path, SourceFile] = {}
    while wanted:
        file = wanted.pop()
        if file.path in needed:
            continue
        needed[file.path] = file
        wanted.extend(by_function[name] for name in file.uses if name in by_function)
    return tuple(sorted(needed))


def headers_needed(roots: Iterable[Path], include_dirs: Iterable[Path]) -> tuple[tuple[str, Path], ...]:
    """Headers that `roots` include, transitively: (name relative to its include folder, file), sorted by name.

    Headers found in none of `include_dirs` (those of the compiler) are left out, and so are missing ones: a library
    names headers of compilers that are not in use.
    """
    folders = tuple(include_dirs)
    found: dict[str, Path] = {}
    pending = list(roots)
    while pending:
        file = pending.pop()
        for included in _INCLUDE.findall(file.read_text(encoding="utf-8", errors="replace")):
            located = _locate(included, file.parent, folders)
            if located is not None and located[0] not in found:
                found[located[0]] = located[1]
                pending.append(located[1])
    return tuple(sorted(found.items()))


def _locate(included: str, beside: Path, folders: tuple[Path, ...]) -> tuple[str, Path] | None:
    for folder in (beside, *folders):
        path = (folder / included).resolve()
        for root in folders:
            if path.is_file() and path.is_relative_to(root.resolve()):
                return path.relative_to(root.resolve()).as_posix(), path
    return None
