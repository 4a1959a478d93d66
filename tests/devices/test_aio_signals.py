"""Values both ways over both transports: texts of any length, choices, numbers, lists, tables; and puts that are refused."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import numpy as np
import pytest
from aio_devices import TRANSPORTS, connected, run, until
from gateway_process import CaClient, GatewayProcess

from dmioc.devices.aio import DMIfRunning, DMStages, DMStatus
from dmioc.errors import RefusedError

TEXTS = ["/data/2026-3/demo", "x", "", "é€ 文字 " * 100, "two\nlines", "a" * 16384]


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_texts_of_any_length(gateway: GatewayProcess, ca: CaClient, transport: str) -> None:
    async def main() -> None:
        here = (await connected(gateway.prefix, transport)).workflows.wf1.args
        there = (await connected(gateway.prefix, "pva" if transport == "ca" else "ca")).workflows.wf1.args
        for text in TEXTS:
            await here.set(text)
            assert [await here.get_value(), await there.get_value()] == [text, text]
            assert (await here.locate())["setpoint"] == text
        await here.set("")

    run(main)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_metadata_as_long_as_the_pv_holds(gateway: GatewayProcess, ca: CaClient, transport: str) -> None:
    async def main() -> None:
        metadata = (await connected(gateway.prefix, transport)).metadata
        text = json.dumps({"motors": ["ü" * 1000] * 300}, ensure_ascii=False)
        assert 600_000 < len(text.encode()) < 1_048_576
        await metadata.json.set(text)
        assert await metadata.json.get_value() == text
        await metadata.json.set("")

    run(main)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_choices_and_numbers(gateway: GatewayProcess, ca: CaClient, transport: str) -> None:
    async def main() -> None:
        station = await connected(gateway.prefix, transport)
        slot = station.workflows.wf2
        await slot.if_running.set(DMIfRunning.REFUSE)
        assert await slot.if_running.get_value() is DMIfRunning.REFUSE
        assert ca.get("WF2:IfRunning") == "Refuse"
        await slot.if_running.set(DMIfRunning.START)
        await station.daqs.daq1.expect.set(7)
        assert await station.daqs.daq1.expect.get_value() == 7
        await slot.report_period.set(0.25)
        assert await slot.report_period.get_value() == 0.25
        reading = (await slot.status.read())["dm-workflows-wf2-status"]
        assert reading["value"] is DMStatus.IDLE and reading["timestamp"] > 1.7e9

    run(main)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_refused_puts_fail_and_change_nothing(gateway: GatewayProcess, ca: CaClient, transport: str) -> None:
    async def main() -> None:
        station = await connected(gateway.prefix, transport)
        slot = station.workflows.wf2
        await slot.request_id.set("r" * 39)
        reason = "PollPeriod takes 0.05 to 60 s, not -1" if transport == "pva" else "the gateway refused -1.0"
        with pytest.raises(RefusedError, match=reason):
            await station.poll_period.set(-1.0)
        with pytest.raises(RefusedError, match="WF2:RequestID holds at most 39 bytes, not 40"):
            await slot.request_id.set("r" * 38 + "é")
        with pytest.raises(RefusedError, match="Name"):
            await slot.name_.set("n" * 257)
        for number in (2**40, 1.5):
            with pytest.raises(RefusedError, match="DAQ1:Expect takes a whole number from -2147483648 to 2147483647"):
                await station.daqs.daq1.expect.set(number)  # pyright: ignore[reportArgumentType]
        with pytest.raises((RefusedError, ValueError)):
            await slot.if_running.set("Never")  # pyright: ignore[reportArgumentType] - what a plan without types does
        assert await station.poll_period.get_value() == 0.1
        assert await slot.request_id.get_value() == "r" * 39
        assert await slot.name_.get_value() == ""
        assert await slot.if_running.get_value() is DMIfRunning.START
        await slot.request_id.set("")

    run(main)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_lists_of_text(gateway: GatewayProcess, ca: CaClient, transport: str) -> None:
    async def main() -> None:
        users = (await connected(gateway.prefix, transport)).experiment.users
        assert list(await users.get_value()) == ["dmioc"]
        assert (await users.describe())["dm-experiment-users"]["shape"] == [1]

    run(main)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_monitor(gateway: GatewayProcess, ca: CaClient, transport: str) -> None:
    async def main() -> None:
        name = (await connected(gateway.prefix, transport)).workflows.wf3.name_
        seen: asyncio.Queue[str] = asyncio.Queue()

        def take(reading: dict[str, dict[str, str]]) -> None:
            seen.put_nowait(reading[name.name]["value"])

        name.subscribe_reading(take)  # pyright: ignore[reportArgumentType] - a Reading is a dict
        try:
            async with asyncio.timeout(10.0):
                assert await seen.get() == ""
                for text in ("a longer text", "ü", ""):
                    await name.set(text)
                    assert await seen.get() == text
        finally:
            name.clear_sub(take)  # pyright: ignore[reportArgumentType]

    run(main)


def test_tables_over_pvaccess(gateway: GatewayProcess, ca: CaClient, data: Path) -> None:
    async def main() -> None:
        station = await connected(gateway.prefix, "pva")
        file = data / "scan.dat"
        file.write_bytes(b"data")
        slot = station.workflows.wf4
        await slot.name_.set("example-01")
        await slot.file_path.set(str(file))
        await slot.run.trigger()
        job_id = await slot.job_id.get_value()
        stages = await slot.stages.get_value()
        assert isinstance(stages, DMStages)
        assert len(stages) == await slot.stage_count.get_value() and set(stages.status) == {"Done"}
        assert stages.exitStatus.dtype == np.int32 and not stages.exitStatus.any()
        jobs = await station.jobs.list.get_value()
        row = list(jobs.id).index(job_id)
        assert (jobs.workflow[row], jobs.status[row]) == ("example-01", "Done") and jobs.runTime[row] > 0.0
        assert "example-01" in (await station.workflows.list.get_value()).name
        assert "demo" in (await station.experiment.list.get_value()).name

        async def is_told() -> bool:
            return any(job_id in message for message in (await station.messages.get_value()).message)

        await until(is_told, "a message names the job")
        assert len(await station.daqs.list.get_value()) == len(await station.uploads.list.get_value()) == 0
        described = (await slot.stages.describe())[slot.stages.name]
        assert (described["dtype"], described["shape"]) == ("array", [len(stages)])

    run(main)


def test_tables_over_channel_access_say_what_they_need(gateway: GatewayProcess, ca: CaClient) -> None:
    async def main() -> None:
        jobs = (await connected(gateway.prefix, "ca")).jobs
        for ask in (jobs.list.get_value, jobs.list.read, jobs.list.describe):
            with pytest.raises(RefusedError, match=r"JOB:List is a table, and Channel Access has none: .* with pva://"):
                await ask()

    run(main)


def test_both_transports_at_once_agree(gateway: GatewayProcess, ca: CaClient) -> None:
    async def main() -> None:
        over_ca, over_pva = await asyncio.gather(connected(gateway.prefix, "ca"), connected(gateway.prefix, "pva"))
        await asyncio.gather(
            over_ca.workflows.wf3.name_.set("by CA"),
            over_pva.workflows.wf3.file_path.set("/by/PVA"),
            over_ca.refresh.trigger(),
        )
        assert await over_pva.workflows.wf3.name_.get_value() == "by CA"
        assert await over_ca.workflows.wf3.file_path.get_value() == "/by/PVA"
        ca_values, pva_values = await asyncio.gather(over_ca.read(), over_pva.read())
        assert {key: reading["value"] for key, reading in ca_values.items()} == {
            key: reading["value"] for key, reading in pva_values.items()
        }
        await over_ca.workflows.wf3.name_.set("")
        await over_pva.workflows.wf3.file_path.set("")

    run(main)
