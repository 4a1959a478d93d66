"""What a new localdm holds: one experiment and three workflows to try things with."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping

EXPERIMENT: Mapping[str, object] = {
    "name": "demo",
    "description": "Demonstration experiment of localdm: its files are yours to add and to delete.",
}

_STEP_S = 1.5
_STEPS_PERCENT = "10 20 30 40 50 60 70 80 90 100"


def seed_workflows(owner: str) -> list[dict[str, object]]:
    """The workflow documents (``dm-protocol.md §6.3``) a new localdm starts with."""
    return [_example(owner), _progress(owner), _stream_consume(owner)]


def _example(owner: str) -> dict[str, object]:
    """The behaviour of the ``example-01`` that real stations have (§6.5): time, MD5, and a note in a file."""
    note = "notes.$timeStamp/$id"  # in the job's own directory
    return {
        "name": "example-01",
        "owner": owner,
        "userAccount": owner,
        "version": 1,
        "description": "Workflow Example 01: computes the MD5 sum of filePath and notes it in the job's directory.\n"
        "Keyword Arguments:\n\tfilePath - File to read.",
        "stages": {
            "01-START": {
                "command": "/bin/date +%Y%m%d%H%M%S",
                "outputVariableRegexList": [r"(?P<timeStamp>\d{14})"],
            },
            "02-MKDIR": {"command": "/bin/mkdir -p notes.$timeStamp"},
            "03-ECHO": {"command": f'/bin/echo "begin job $id" > {note}'},
            "04-MD5SUM": {
                "command": '/usr/bin/md5sum < "$filePath"',
                "outputVariableRegexList": ["(?P<md5Sum>[0-9a-f]{32})"],
            },
            "05-ECHO": {"command": f'/bin/echo "$filePath has MD5 $md5Sum" >> {note}'},
            "06-DONE": {"command": f'/bin/echo "end job $id" >> {note}'},
        },
    }


def _progress(owner: str) -> dict[str, object]:
    """About a minute of stages that print how far they are; nothing in it reads the file."""
    return {
        "name": "progress-01",
        "owner": owner,
        "userAccount": owner,
        "version": 1,
        "description": "About a minute of work in several stages that print their progress.\n"
        "Keyword Arguments:\n\tfilePath - Any text: it is only printed.",
        "stages": {
            "010-START": {"command": "/bin/date +%s", "outputVariableRegexList": [r"(?P<startedAt>\d+)"]},
            "020-CALIBRATE": _one_long_process("calibrate"),
            "030-REDUCE": _one_process_a_step("reduce"),
            "040-FIT": _one_process_a_step("fit"),
            "050-EXPORT": _one_long_process("export"),
            "060-DONE": {"command": '/bin/echo "done with $filePath"'},
        },
    }


def _stream_consume(owner: str) -> dict[str, object]:
    """A workflow for the streaming handshake: its arguments are those that a streaming slot adds (``pv-contract.md §8``)."""
    python = shlex.quote(sys.executable)  # that of the localdm that seeds: it has p4p
    output = "stream-statistics.json"  # in the job's own directory
    return {
        "name": "stream-consume-01",
        "owner": owner,
        "userAccount": owner,
        "version": 1,
        "description": "Counts the frames of a detector (NTNDArray over PVAccess) as the workflow of a streaming slot.\n"
        "Keyword Arguments:\n\tfilePath - Any text: it is not read, e.g. /dev/null.\n"
        "\treportPv, commandPv, session, sourcePv - Added by the streaming slot.",
        "stages": {
            "01-CONSUME": {
                "command": f'{python} -m dmioc.streaming.consume --report-pv "$reportPv" --command-pv "$commandPv"'
                f' --session "$session" --source-pv "$sourcePv" --output {output}',
            },
            "02-SHOW": {"command": f"/bin/cat {output}"},
        },
    }


def _one_long_process(what: str) -> dict[str, object]:
    """A stage whose one process prints a line for each step."""
    line = f'/bin/echo "{what} $stepPercent %"; /bin/sleep {_STEP_S}'
    return {
        "command": f"for stepPercent in {_STEPS_PERCENT}; do {line}; done; /bin/echo {what}: finished",
        "outputVariableRegexList": [f"{what}: (?P<{what}State>.*)"],
    }


def _one_process_a_step(what: str) -> dict[str, object]:
    """A stage that is repeated, each process going on from what the last one printed."""
    percent = f"{what}Percent"
    return {
        "command": f'/bin/echo "{what} $(/usr/bin/expr 0${percent} + 10) %"',  # expr reads 010 as ten
        "outputVariableRegexList": [rf"{what} (?P<{percent}>\d+) %"],
        "repeatPeriod": _STEP_S,
        "repeatUntil": f'"${percent}" == "100"',
        "maxRepeats": 20,
    }
