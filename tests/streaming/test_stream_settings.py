"""Where the names of the handshake come from, and that the package needs p4p alone."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from dmioc.streaming import StreamSettingsError
from dmioc.streaming.settings import stream_settings

WORDS = ("reportPv=W:Report", "commandPv=W:Command", "session=w", "--verbose", "epoch=3", "x=a=b")
VARIABLES = {
    "DMIOC_REPORT_PV": "V:Report",
    "DMIOC_COMMAND_PV": "V:Command",
    "DMIOC_SESSION": "v",
    "DMIOC_SOURCE_PV": "V:Image",
}


def test_given_goes_before_words_and_words_before_variables() -> None:
    found = stream_settings({"session": "g", "epoch": None, "source_pv": ""}, WORDS, VARIABLES)
    assert (found.report_pv, found.command_pv, found.session) == ("W:Report", "W:Command", "g")
    assert (found.epoch, found.source_pv) == (3, "V:Image")


def test_what_is_missing_is_named_with_every_way_to_give_it() -> None:
    with pytest.raises(StreamSettingsError, match=r"session is not given.*session=.*DMIOC_SESSION"):
        stream_settings({"report_pv": "R", "command_pv": "C"}, (), {})


def test_an_epoch_that_is_no_number_is_named() -> None:
    with pytest.raises(StreamSettingsError, match="epoch 'first' is no whole number"):
        stream_settings({}, (*WORDS, "epoch=first"), {})


def test_the_package_needs_p4p_and_nothing_else_of_dmioc() -> None:
    script = "import json, sys; import dmioc.streaming.consume; print(json.dumps(sorted(sys.modules)))"
    finished = subprocess.run(
        [sys.executable, "-c", script], cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True
    )
    loaded: list[str] = json.loads(finished.stdout)
    heavy = {"caproto", "ophyd", "httpx", "epics", "pydantic", "msgspec", "aiohttp"}
    assert [name for name in loaded if name.split(".")[0] in heavy] == []
    assert [name for name in loaded if name.startswith("dmioc.") and not name.startswith("dmioc.streaming")] == []
    assert "p4p" in loaded
