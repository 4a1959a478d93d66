"""The snippets of the guide run as they stand there, with a real RunEngine and a real gateway (issue C, "Show")."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from gateway_dm import GatewayDm
from gateway_process import CaClient, GatewayProcess
from run_engines import run_engine
from waiting import wait_until

REPOSITORY = Path(__file__).parents[2]
FILE = REPOSITORY / "dmioc" / "examples" / "guide.py"
GUIDE = REPOSITORY.parent / "shared" / "dm-guide.md"
IMPORT = re.compile(r"from apstools\.(utils|devices) import")
MENDED = (('daq["id])', 'daq["id"])'), ("experimentFilePath=p.name  #", "experimentFilePath=p.name,  #"))
"""What the guide prints, and what compiles."""


def cells() -> dict[str, str]:
    parts = re.split(r"^# %% (.*)\n", FILE.read_text("utf-8"), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


@pytest.fixture
def cell(gateway: GatewayProcess, ca: CaClient, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """Names of a cell that was executed after the first two, with another path in place of the guide's."""
    monkeypatch.setenv("DMIOC_PREFIX", gateway.prefix)
    sources = cells()

    def execute(title: str, path: Path | None = None) -> dict[str, Any]:
        names: dict[str, Any] = {}
        for one in ("what the guide takes for granted", "the name of the experiment", title):
            source = sources[one].replace('"/some/path/to/data/"', repr(f"{path}/"))
            exec(compile(source, str(FILE), "exec"), names)
        return names

    return execute


@pytest.fixture
def engine() -> Iterator[Any]:
    with run_engine() as one:
        yield one


@pytest.mark.skipif(not GUIDE.exists(), reason="the guide lies beside the repository")
def test_nothing_is_changed_but_the_import() -> None:
    """Every line of the guide's snippets stands in the file, in the guide's order within each snippet."""
    snippets = re.findall(r"^```py\n(.*?)^```", GUIDE.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    assert len(snippets) == 7
    for snippet in snippets:
        text = IMPORT.sub("from dmioc.devices import", snippet)
        for printed, mended in MENDED:
            text = text.replace(printed, mended)
        lines = [line for line in text.splitlines() if line]
        assert any(in_order(lines, source.splitlines()) for source in cells().values()), snippet


def in_order(lines: list[str], among: list[str]) -> bool:
    rest = iter(among)
    return all(line in rest for line in lines)


def test_the_experiment_is_remembered(cell: Callable[..., dict[str, Any]], engine: Any) -> None:
    names = cell("the name of the experiment")
    engine(names["setup_user"]("demo"))
    assert names["dm_experiment"].get() == "demo"


def test_a_daq_is_started_once(
    cell: Callable[..., dict[str, Any]], engine: Any, gateway: GatewayProcess, data: Path
) -> None:
    names = cell("start a DAQ if needed", data)
    engine(names["setup_user"]("demo"))
    daq_id = names["dm_daq_id"].get()
    (data / "one.dat").write_bytes(secrets.token_bytes(100))
    wait_until(lambda: "one.dat" in GatewayDm(gateway).catalogued("demo", "something"), 20.0, what="the DAQ copies")
    engine(names["setup_user"]("demo"))
    assert names["dm_daq_id"].get() == daq_id, "the active DAQ was found"

    from dmioc.devices import dm_get_daqs, dm_stop_daq

    dm_stop_daq("demo", str(data))
    wait_until(
        lambda: {daq["id"]: daq["status"] for daq in dm_get_daqs("demo")}[daq_id] == "done",
        20.0,
        what="the DAQ is done",
    )


def test_a_file_is_uploaded(
    cell: Callable[..., dict[str, Any]], engine: Any, gateway: GatewayProcess, data: Path
) -> None:
    file = data / f"{secrets.token_hex(4)}.dat"
    file.write_bytes(secrets.token_bytes(100))
    (data / "other.dat").write_bytes(b"not this one")
    engine(cell("upload a file if needed")["setup_user"]("demo", str(file)))
    dm = GatewayDm(gateway)
    wait_until(lambda: file.name in dm.catalogued("demo", "something"), 20.0, what="the file is in the catalog")
    assert "other.dat" not in dm.catalogued("demo", "something")


@pytest.mark.parametrize("wait", [True, False])
def test_a_workflow_is_run_in_a_plan(
    cell: Callable[..., dict[str, Any]], engine: Any, gateway: GatewayProcess, data: Path, wait: bool
) -> None:
    file = data / "scan.dat"
    file.write_bytes(b"one line of data\n")
    names = cell("a workflow in a data collection plan")
    engine(names["setup_user"]("demo"))
    seen: list[Any] = []

    def plan() -> Any:
        seen.append((yield from names["collect_data"]("example-01", str(file), wait)))

    engine(plan())
    (connector,) = seen
    assert connector.job_id.get() != "not_run"
    if not wait:
        wait_until(lambda: connector.idle, 20.0, what="the job has ended")
    assert (connector.status.get(), connector.stage_id.get()) == ("done", "06-DONE")
    job = next(job for job in GatewayDm(gateway).jobs() if job["id"] == connector.job_id.get())
    assert (job["filePath"], job["experiment"]) == (str(file), "demo")
    connector.destroy()
