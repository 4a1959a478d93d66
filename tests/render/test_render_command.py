"""``dmioc render`` on the command line: a station's own lists, and what it refuses."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dmioc.catalogue import Slots, station_catalogue, with_aliases
from dmioc.cli import main
from dmioc.render import Site, generated_files


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty directory to work in, and no settings in the environment."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith(("DM_", "DMIOC_"))]:
        monkeypatch.delenv(name)


def render(*arguments: str | Path) -> int:
    """The command in this process; answers its exit code."""
    return main(["render", *map(str, arguments)])


def test_a_station_gets_its_own_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "site"
    slots = ("--daqs", "1", "--uploads", "0", "--workflows", "8", "--streams", "3")
    assert render("--prefix", "25IDC:DM:", *slots, "--out", "site") == 0
    wanted = generated_files(station_catalogue(Slots(1, 0, 8, 3)), Site("25IDC:DM:", f"{out.as_uri()}/opi/phoebus"))
    assert {str(path.relative_to(out)): path.read_bytes() for path in out.rglob("*.*")} == wanted
    assert f"{len(wanted)} files changed" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == [out]


def test_settings_file_and_panels(tmp_path: Path) -> None:
    settings = tmp_path / "dmioc.toml"
    settings.write_text(
        '[gateway]\nprefix = "8IDI:DM:"\n[slots]\nworkflow = 2\n'
        '[aliases]\n"8ideSoft:StrReg4" = { pv = "EXP:Name", type = "string" }\n'
    )
    assert render("--config", settings, "--panels", "http://opi/dmioc/", "--streams", "1", "--out", "x") == 0
    catalogue = station_catalogue(Slots(workflow=2, stream=1))
    catalogue = with_aliases(catalogue, "8IDI:DM:", {"8ideSoft:StrReg4": ("EXP:Name", "string")})
    wanted = generated_files(catalogue, Site("8IDI:DM:", "http://opi/dmioc"))
    assert {name: (tmp_path / "x" / name).read_bytes() for name in wanted} == wanted


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--prefix", "25IDC:DM:"), ("--prefix", "--out DIR")),
        (("--workflows", "3"), ("--workflows", "--out DIR")),
        (("--prefix", "a b:", "--out", "site"), ("prefix 'a b:'", "letters")),
        (("--daqs", "100", "--out", "site"), ("[slots] daq = 100", "less than or equal to 99")),
        (("--config", "none.toml", "--out", "site"), ("none.toml", "No such file")),
        (("--out", "/dev/null/site"), ("/dev/null/site", "cannot be written")),
    ],
)
def test_what_is_wrong_is_said_in_one_line_and_nothing_is_written(
    arguments: tuple[str, ...], words: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert render(*arguments) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("dmioc: ") and all(word in line for word in words), line
    assert list(tmp_path.iterdir()) == []
