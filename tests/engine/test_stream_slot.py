"""Streaming slots without a job: the handshake, deadlines by the clock, what is shown, and restarts."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from stream_station import ORIGIN, PREFIX, MovedClock, Station, ended, new_station, run, station_in

from dmioc.engine.puts import CommandState
from dmioc.engine.readings import Alarm, StructureReading
from dmioc.model import Severity


def test_handshake_from_offer_to_done(tmp_path: Path) -> None:
    async def use(station: Station) -> None:
        station.puts(Source="CAM:Pva1:Image", Args='{"expected": 5}')
        offer = await station.offered()
        assert (station.get("State"), station.get("Epoch"), offer.done()) == ("Offered", 1, False)
        session = station.get("Session")
        command = station.structure("Command")
        assert (command["session"], command["epoch"], command["seq"], command["command"]) == (session, 1, 1, "offer")
        args = json.loads(command["args"])
        assert args["sourcePv"] == station.get("Source_RBV") == "CAM:Pva1:Image"
        assert (args["reportPv"], args["commandPv"]) == (f"{PREFIX}STR1:Report", f"{PREFIX}STR1:Command")
        assert args["heartbeatTimeout"] == 30.0

        await station.reported("Accepted")
        assert station.get("State") == "Accepted" and not offer.done()
        await station.reported("Ready")
        assert ended(await offer) == (CommandState.OK, f"session {session} (epoch 1) is Ready")

        assert (await station.put("Begin", 1)).is_ok
        assert (station.get("State"), station.structure("Command")["command"]) == ("Streaming", "begin")
        assert (await station.report(received=3, processed=2, heartbeat=9, message="at frame 3")).is_ok
        assert [station.get(name) for name in ("Received", "Processed", "Heartbeat", "Message")] == [
            3,
            2,
            9,
            "at frame 3",
        ]

        end = station.put("End", 1)
        await station.until(lambda: station.get("State") == "Draining")
        command = station.structure("Command")
        assert (command["command"], command["seq"], command["args"]) == ("end", 3, '{"expected": 5}')
        await station.reported("Draining")
        assert not end.done()
        outcome = await station.report("Done", received=5, processed=5, result='{"frames": 5}')
        assert outcome.is_ok
        assert ended(await end) == (CommandState.OK, f"session {session} (epoch 1) is Done")
        assert [station.get(name) for name in ("State", "Result", "Error", "Session")] == [
            "Done",
            '{"frames": 5}',
            "",
            session,
        ]
        assert station.get("StartTime") and station.get("EndTime")
        assert station.reading("State").severity is Severity.NO_ALARM

    run(tmp_path, use)


def test_report_structure_shows_the_session(tmp_path: Path) -> None:
    async def use(station: Station) -> None:
        assert station.structure("Report")["state"] == "Idle"
        await station.streaming()
        # The workflow had not seen Begin when it sent this.
        assert (await station.report("Ready", received=1)).is_ok
        report = station.structure("Report")
        assert (report["state"], report["received"], report["seq"]) == ("Streaming", 1, 3)
        assert report["session"] == station.get("Session")

    run(tmp_path, use)


def test_report_is_published_at_once_and_in_one_revision(tmp_path: Path) -> None:
    async def use(station: Station) -> None:
        await station.streaming()
        station.report("Streaming", received=77)  # not awaited: the change is out when the put returns
        assert station.sinks.revision_of("STR1:Received", 77) == station.gateway.snapshot().revision
        fields = dict(station.structure("Report"))
        assert station.sinks.revision_of("STR1:Report", fields) == station.gateway.snapshot().revision

    run(tmp_path, use)


@pytest.mark.parametrize("name", ["STR1:Command", "WF1:Job", "Status", "EXP:Info"])
def test_other_structures_take_no_put(tmp_path: Path, name: str) -> None:
    async def use(station: Station) -> None:
        outcome = station.gateway.put_structure(name, {"seq": 1}, ORIGIN).result()
        assert ended(outcome) == (CommandState.REFUSED, f"{name} is read-only")

    run(tmp_path, use)


def test_slots_are_independent(tmp_path: Path) -> None:
    async def use(station: Station) -> None:
        await station.streaming()
        assert station.get("STR2:State") == "Idle"
        other = {"session": station.get("Session"), "epoch": 1, "seq": 9}
        refused = station.gateway.put_structure("STR2:Report", other, ORIGIN).result()
        assert refused.state is CommandState.REFUSED and "no Offer" in refused.message

    run(tmp_path, use)


def test_offer_while_active_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    async def use(station: Station) -> None:
        await station.streaming()
        before = station.slot.session
        outcome = await station.put("Offer", 1)
        assert outcome.state is CommandState.REFUSED
        assert "is Streaming: End or Abort it" in outcome.message
        assert station.slot.session == before
        await station.reported("Streaming")

    run(tmp_path, use)


@pytest.mark.parametrize("command", ["Begin", "End", "Abort"])
def test_commands_that_do_not_fit_are_refused_with_the_reason(tmp_path: Path, command: str) -> None:
    async def use(station: Station) -> None:
        outcome = await station.put(command, 1)
        assert outcome.state is CommandState.REFUSED
        assert "no Offer" in outcome.message
        assert (station.get("CmdStatus"), station.get(command)) == ("Refused", "Idle")

    run(tmp_path, use)


@pytest.mark.parametrize("args", ["[1]", "{", "word"])
def test_args_that_are_no_object_are_refused(tmp_path: Path, args: str) -> None:
    async def use(station: Station) -> None:
        await station.streaming()
        station.puts(Args=args)
        outcome = await station.put("End", 1)
        assert outcome.state is CommandState.REFUSED and "STR1:Args" in outcome.message
        assert station.get("State") == "Streaming"

    run(tmp_path, use)


def test_begin_passes_args_on(tmp_path: Path) -> None:
    async def use(station: Station) -> None:
        offer = await station.offered()
        await station.reported("Ready")
        assert (await offer).is_ok
        station.puts(Args='{"frames": 10, "name": "é"}')
        assert (await station.put("Begin", 1)).is_ok
        assert json.loads(station.structure("Command")["args"]) == {"frames": 10, "name": "é"}

    run(tmp_path, use)


def test_disabled_control_refuses_commands_and_takes_reports(tmp_path: Path) -> None:
    async def use(station: Station) -> None:
        await station.streaming()
        station.gateway.put("Control", "Disabled", ORIGIN)
        assert (await station.put("End", 1)).state is CommandState.REFUSED
        await station.reported("Streaming")

    run(tmp_path, use)


def test_workflow_that_ends_by_itself_makes_end_succeed(tmp_path: Path) -> None:
    async def use(station: Station) -> None:
        await station.streaming()
        await station.reported("Draining", "Done")
        seq = station.structure("Command")["seq"]
        assert (await station.put("End", 1)).is_ok
        assert station.structure("Command")["seq"] == seq

    run(tmp_path, use)


@pytest.mark.parametrize(("word", "severity"), [("Failed", Severity.MAJOR), ("Aborted", Severity.MINOR)])
def test_end_fails_with_the_workflows_words(tmp_path: Path, word: str, severity: Severity) -> None:
    async def use(station: Station) -> None:
        end = await station.draining()
        assert (await station.report(word, message="disk is full")).is_ok
        outcome = await end
        assert outcome.state is CommandState.FAILED
        assert outcome.message.endswith(f"is {word}: disk is full")
        assert (station.get("State"), station.get("Error")) == (word, "disk is full")
        assert station.reading("State").severity is severity

    run(tmp_path, use)


def test_offer_ends_when_the_workflow_refuses(tmp_path: Path) -> None:
    async def use(station: Station) -> None:
        offer = await station.offered()
        assert (await station.report("Aborted", message="no such source")).is_ok
        outcome = await offer
        assert outcome.state is CommandState.FAILED and "no such source" in outcome.message

    run(tmp_path, use)


def test_abort_ends_everything_at_once(tmp_path: Path) -> None:
    async def use(station: Station) -> None:
        end = await station.draining()
        assert (await station.put("Abort", 1)).is_ok
        assert (await end).state is CommandState.FAILED
        assert (station.get("State"), station.get("Error")) == ("Aborted", "aborted by command")
        command = station.structure("Command")
        assert (command["command"], json.loads(command["args"])) == ("abort", {"reason": "aborted by command"})
        late = await station.report("Done")
        assert late.state is CommandState.REFUSED and "is Aborted: aborted by command" in late.message
        assert station.get("State") == "Aborted"

    run(tmp_path, use)


def test_next_offer_begins_anew_and_old_reports_are_stale(tmp_path: Path) -> None:
    async def use(station: Station) -> None:
        await station.streaming()
        old = station.slot.session
        assert (await station.report(received=5, errors=1)).is_ok
        await station.put("Abort", 1)
        offer = await station.offered()
        assert station.get("Epoch") == 2
        assert station.get("Session") != old.id
        assert [station.get(name) for name in ("Received", "Errors", "Error", "Message")] == [0, 0, "", ""]
        stale = await station.report("Ready", session=old.id, epoch=old.epoch, seq=1000)
        assert stale.state is CommandState.REFUSED and "stale session" in stale.message
        assert station.get("State") == "Offered" and not offer.done()
        await station.put("Abort", 1)

    run(tmp_path, use)


def test_refused_reports_are_told_now_and_then(tmp_path: Path) -> None:
    async def use(station: Station) -> None:
        await station.streaming()
        for _ in range(50):
            assert not station.report("Done", session="old").result().is_ok
        assert sum("stale session" in text for text in station.messages()) == 1
        assert "user@host over pva" in station.messages()[-1]
        station.clock.at_s += 11.0
        station.report("Done", session="old")
        assert sum("stale session" in text for text in station.messages()) == 2

    run(tmp_path, use)


def test_ready_deadline(tmp_path: Path) -> None:
    async def use(station: Station) -> None:
        station.puts(ReadyTimeout=60.0, HeartbeatTimeout=1000.0)
        offer = await station.offered()
        station.passes(30.0)
        await station.reported("Accepted")
        station.passes(29.9)
        assert station.get("State") == "Accepted"
        station.passes(0.2)
        outcome = await offer
        assert outcome.state is CommandState.FAILED and "ReadyTimeout" in outcome.message
        assert station.get("State") == "Failed"
        assert "not Ready within 60 s" in station.get("Error")
        assert station.structure("Command")["command"] == "abort"

    run(tmp_path, use)


@pytest.mark.parametrize("state", ["Accepted", "Ready", "Streaming", "Draining"])
def test_silence_is_lost(tmp_path: Path, state: str) -> None:
    async def use(station: Station) -> None:
        station.puts(HeartbeatTimeout=5.0)
        if state == "Streaming":
            await station.streaming()
        elif state == "Draining":
            await station.draining()
        else:
            await station.offered()
            await station.reported(state)
        for _ in range(4):
            station.passes(4.0)
            assert (await station.report()).is_ok
        assert station.get("State") == state
        station.passes(4.9)
        assert (station.get("State"), station.get("HeartbeatAge")) == (state, 4.0)
        station.passes(0.2)
        assert (station.get("State"), station.get("HeartbeatAge")) == ("Lost", -1.0)
        assert "no report from the workflow for 5 s" in station.get("Error")
        assert station.reading("State").severity is Severity.MAJOR

    run(tmp_path, use)


def test_drain_deadline(tmp_path: Path) -> None:
    async def use(station: Station) -> None:
        station.puts(DrainTimeout=20.0)
        end = await station.draining()
        station.passes(19.0)
        await station.reported("Draining")
        station.passes(1.1)
        outcome = await end
        assert outcome.state is CommandState.FAILED and "DrainTimeout" in outcome.message
        assert station.get("State") == "Failed"

    run(tmp_path, use)


def test_deadline_put_later_holds_for_the_session_now(tmp_path: Path) -> None:
    async def use(station: Station) -> None:
        await station.streaming()
        station.passes(20.0)
        assert station.get("State") == "Streaming"
        station.puts(HeartbeatTimeout=10.0)
        station.passes(0.1)
        assert station.get("State") == "Lost"

    run(tmp_path, use)


def test_slot_watches_its_deadlines_by_itself(tmp_path: Path) -> None:
    async def use(station: Station) -> None:
        await station.streaming()
        station.clock.at_s += 31.0
        station.slot.changed.fire()
        await station.until(lambda: station.get("State") == "Lost")

    run(tmp_path, use, polls=True)


def test_alarms_of_counters(tmp_path: Path) -> None:
    async def use(station: Station) -> None:
        await station.streaming()
        assert (await station.report(missed=1)).is_ok
        for name in ("Missed", "State"):
            assert (station.reading(name).severity, station.reading(name).alarm) == (Severity.MINOR, Alarm.STATE)
        assert station.reading("Errors").severity is Severity.NO_ALARM
        await station.reported("Done")
        assert station.reading("State").severity is Severity.NO_ALARM
        assert station.reading("Missed").severity is Severity.MINOR

    run(tmp_path, use)


def test_values_keep_the_time_of_their_event(tmp_path: Path) -> None:
    async def use(station: Station) -> None:
        await station.streaming()
        began_s = station.clock.now_s()
        station.clock.at_s += 3.0
        assert (await station.report(received=1)).is_ok
        station.clock.at_s += 3.0
        assert (await station.report(processed=1)).is_ok
        times = [station.reading(name).time_s - began_s for name in ("State", "Received", "Processed")]
        assert times == [0.0, 3.0, 6.0]

    run(tmp_path, use)


def test_numbers_beyond_32_bits_are_whole_over_pva(tmp_path: Path) -> None:
    async def use(station: Station) -> None:
        await station.streaming()
        assert (await station.report(received=2**40)).is_ok
        assert station.structure("Report")["received"] == 2**40
        assert station.get("Received") == 2**31 - 1

    run(tmp_path, use)


def test_what_the_workflow_is_told_is_on_disk_before(tmp_path: Path) -> None:
    async def use(station: Station) -> None:
        on_disk: list[tuple[str, str]] = []

        def look(name: str, structure: StructureReading) -> None:
            if name == "STR1:Command":
                text = (tmp_path / "autosave.sav").read_text("utf-8").splitlines()[0]
                saved = json.loads(json.loads(text)["held"]["STR1:"]["session"])
                on_disk.append((str(structure.fields["command"]), saved["command"]))

        station.sinks.on_structure = look
        end = await station.draining()
        await station.reported("Done")
        assert (await end).is_ok
        assert on_disk == [("offer", "offer"), ("begin", "begin"), ("end", "end")]

    run(tmp_path, use)


@pytest.mark.parametrize("stopped", [True, False], ids=["stopped", "killed"])
def test_session_goes_on_after_a_restart(tmp_path: Path, stopped: bool) -> None:
    async def main() -> None:
        station = new_station(tmp_path)
        station.puts(HeartbeatTimeout=10.0)
        await station.streaming()
        assert (await station.report("Streaming", received=8, message="at 8")).is_ok
        await station.gateway._saver.save_if_changed()
        began_s = station.clock.now_s()
        end = station.put("End", 1)
        await station.until(lambda: station.get("State") == "Draining")
        session = station.slot.session
        if stopped:
            await station.gateway.stop()
            assert (await end).state is CommandState.INTERRUPTED
        later = MovedClock()
        later.at_s = 50_000.0
        async with station_in(tmp_path, clock=later) as restarted:
            shown = [restarted.get(name) for name in ("State", "Epoch", "Session", "Received", "Message")]
            assert shown == ["Draining", 1, session.id, 8, "at 8"]
            assert restarted.reading("Received").time_s == began_s
            assert restarted.structure("Command") == station.structure("Command")
            assert restarted.get("CmdStatus") == "Interrupted"
            # Its deadlines count from the restart.
            restarted.passes(9.0)
            assert restarted.get("State") == "Draining"
            end = restarted.put("End", 1)
            await restarted.until(lambda: restarted.structure("Command")["seq"] == session.command_seq + 1)
            await restarted.reported("Done")
            assert (await end).is_ok
        async with station_in(tmp_path, clock=later) as again:
            assert (again.get("State"), again.get("Epoch")) == ("Done", 1)
            offer = await again.offered()
            assert again.get("Epoch") == 2
            await again.put("Abort", 1)
            assert not (await offer).is_ok
        if not stopped:
            await station.gateway.stop()

    asyncio.run(main())


def test_deadline_of_a_restored_session_ends_it(tmp_path: Path) -> None:
    async def main() -> None:
        async with station_in(tmp_path) as station:
            await station.streaming()
        async with station_in(tmp_path) as restarted:
            restarted.passes(31.0)
            assert restarted.get("State") == "Lost"

    asyncio.run(main())


@pytest.mark.parametrize("text", ["{", "[]", '{"state": "Sleeping"}', '{"epoch": "one"}'])
def test_saved_session_that_makes_no_sense_is_left_out(tmp_path: Path, text: str) -> None:
    async def use(station: Station) -> None:
        station.slot.restore({"session": text})
        assert station.get("State") == "Idle"
        assert "the saved session is left out" in station.messages()[-1]

    run(tmp_path, use)
