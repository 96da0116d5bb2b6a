from __future__ import annotations

from pathlib import Path

import pytest

from tinyanime.codegen.memory.csv_bench import main


def test_a_problem_is_solved_and_its_line_tells_peak_and_bound(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "steps.64.csv"
    path.write_text("id,lower,upper,size\na,0,3,20\nb,3,9,40\nc,0,9,24\n")
    assert main([str(path)]) == 0
    assert capsys.readouterr().out.splitlines()[1].split()[:5] == ["steps.64.csv", "3", "64", "64", "64"]


def test_the_capacity_can_be_given_and_be_too_small(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "steps.csv"
    path.write_text("id,lower,upper,size,alignment\na,0,3,20,32\nb,2,9,40,32\n")
    assert main([str(path), "--capacity", "72"]) == 0
    assert main([str(path), "--capacity", "51"]) == 1
    assert [line.split()[-1] for line in capsys.readouterr().out.splitlines()] == [
        "result",
        "optimal",
        "result",
        "unsolved",
    ]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("x.csv", "id,lower,upper,size\n", "gives no capacity"),
        ("x.9.csv", "id,lower,upper\na,0,1\n", "line 2: 'size'"),
        ("x.9.csv", "id,lower,upper,size\na,0,1,big\n", "line 2: invalid literal"),
        ("x.9.csv", "id,lower,upper,size\na,1,1,4\n", "buffer a has no life"),
    ],
)
def test_a_file_that_is_no_problem_is_refused_by_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, text: str, message: str
) -> None:
    path = tmp_path / name
    path.write_text(text)
    assert main([str(path)]) == 3
    assert message in capsys.readouterr().err


def test_a_missing_file_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "none.9.csv")]) == 3
    assert "cannot be read" in capsys.readouterr().err
