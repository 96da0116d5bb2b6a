"""The scan that finds which C files a function needs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tinyanime.codegen.cmsis_nn.call_graph import files_needed, headers_needed, scan_source


def _write(folder: Path, **files: str) -> list[Path]:
    paths = []
    for name, text in files.items():
        path = folder / f"{name}.c"
        path.write_text(text)
        paths.append(path)
    return paths


def test_a_function_split_over_lines_is_a_definition(tmp_path: Path) -> None:
    (path,) = _write(tmp_path, a="int8_t *\nadd_rows(const int8_t *a,\n         int32_t n)\n{\n  return 0;\n}\n")
    assert scan_source(path).defines == {"add_rows"}


def test_static_functions_prototypes_and_comments_define_nothing(tmp_path: Path) -> None:
    text = "static int a(int x)\n{ return x; }\nint b(int x);\n/* int c(int x) { } */\n// int d(int x) { }\n"
    (path,) = _write(tmp_path, a=text)
    assert scan_source(path).defines == frozenset()


def test_both_branches_of_a_conditional_are_scanned(tmp_path: Path) -> None:
    text = "#if A\nint f(int x)\n{ return g(x); }\n#else\nint f(int x)\n{ return h(x); }\n#endif\n"
    scanned = scan_source(_write(tmp_path, a=text)[0])
    assert scanned.defines == {"f"}
    assert {"g", "h"} <= scanned.uses


def test_files_are_found_through_several_calls_and_others_left_out(tmp_path: Path) -> None:
    paths = _write(
        tmp_path,
        top="int top(void)\n{ return middle(); }\n",
        middle="int middle(void)\n{ return bottom() + top(); }\n",
        bottom='int bottom(void)\n{ return puts("other();"); }\n',
        other="int other(void)\n{ return top(); }\n",
    )
    files = [scan_source(path) for path in paths]
    assert [path.stem for path in files_needed(files, ["top"])] == ["bottom", "middle", "top"]


def test_a_function_that_no_file_defines_is_a_key_error(tmp_path: Path) -> None:
    with pytest.raises(KeyError, match="missing"):
        files_needed([scan_source(path) for path in _write(tmp_path, a="int a(void)\n{ return 0; }\n")], ["missing"])


def test_headers_are_followed_through_folders_and_the_compilers_own_left_out(tmp_path: Path) -> None:
    include, core = tmp_path / "Include", tmp_path / "Core"
    (include / "Internal").mkdir(parents=True)
    core.mkdir()
    (include / "api.h").write_text('#include "Internal/types.h"\n#include <stdint.h>\n')
    (include / "Internal" / "types.h").write_text('#include "core.h"\n#include "absent.h"\n')
    (include / "unused.h").write_text("")
    (core / "core.h").write_text("")
    (source,) = _write(tmp_path, a='#include "api.h"\n')
    names = [name for name, _ in headers_needed([source], [include, core])]
    assert names == ["Internal/types.h", "api.h", "core.h"]
