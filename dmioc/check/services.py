"""Each service of DM: whether it answers, how fast, what it shows of itself, and what it says when asked."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from dmioc.check.backend import Reached
from dmioc.check.findings import Finding, fail, ok, warning
from dmioc.config import DmSettings
from dmioc.dm.aps import ApsDm
from dmioc.dm.probe import Certificate, Probe, day, probe
from dmioc.dm.rest import RestDm
from dmioc.errors import DmError, DmLoginError
from dmioc.model import Service, TransferKind

_NOBODY = "dmioc-check"
_SOON_DAYS = 30.0
_CLOCK_S = 5.0
_LONGEST_S = 30.0


@dataclass(frozen=True)
class Question:
    """One call that changes nothing: DM's name of it, its service, and what its answer says in words."""

    name: str
    service: Service
    ask: Callable[[], Awaitable[str]]


def questions(dm: RestDm | ApsDm) -> list[Question]:
    """What is asked; the first of each service tells whether it answers."""

    async def experiments() -> str:
        return f"{len(await dm.experiments())} experiments"

    async def daqs() -> str:
        return f"{len(await dm.transfers(TransferKind.DAQ))} DAQs"

    async def uploads() -> str:
        return f"{len(await dm.transfers(TransferKind.UPLOAD))} uploads"

    async def workflows() -> str:
        return f"{len(await dm.workflows(dm.owner))} workflows of {dm.owner}"

    async def jobs() -> str:
        await dm.jobs(dm.owner, 0, 1, with_workflow=False)
        return f"jobs of {dm.owner}"

    async def files() -> str:
        await dm.file_count(_NOBODY)
        return "the file catalog"

    return [
        Question("getExperimentsByStation", Service.DS, experiments),
        Question("listDaqs", Service.DAQ, daqs),
        Question("listUploads", Service.DAQ, uploads),
        Question("listWorkflows", Service.PROC, workflows),
        Question("listProcessingJobs", Service.PROC, jobs),
        Question("getExperimentFileCollectionStats", Service.CAT, files),
    ]


@dataclass(frozen=True)
class Answers:
    """What one service gave: the findings, and the names of the calls that were answered."""

    findings: list[Finding]
    answered: list[str]


async def service(reach: Reached, name: Service, settings: DmSettings) -> Answers:
    """Look at one service, in a time that has an end; without a client that can ask it, only at its address."""
    url = reach.urls[name]
    if not url:
        return Answers([], [])
    deadline_s = min(settings.deadline_s, _LONGEST_S)
    if reach.dm is None:
        seen, asked = await _seen(url, deadline_s), ()
        findings = [_address(name, url, seen)]
    else:
        seen, asked = await asyncio.gather(_seen(url, deadline_s), _asked(reach.dm, name))
        findings = [_main(name, url, asked, deadline_s)]
        findings += [_other(name, one) for one in asked[1:] if one.error is not None]
    if isinstance(seen, Probe):
        findings += _shown(name, seen, settings, is_verified=not isinstance(reach.dm, ApsDm))
    return Answers(findings, [one.question.name for one in asked if one.error is None])


def _address(name: Service, url: str, seen: Probe | DmError) -> Finding:
    what = f"DM {name.value}"
    if isinstance(seen, Probe):
        text = f"{url}: {_ms(seen.connect_s)} to connect, {_ms(seen.answer_s)} to answer; nothing was asked"
        return ok(what, text, url=url, connect_s=round(seen.connect_s, 4), answer_s=round(seen.answer_s, 4))
    return _away(name, url, seen)


def _away(name: Service, url: str, error: DmError) -> Finding:
    variable = f"{name.value.lower()}_url (DM_{name.value}_WEB_SERVICE_URL)"
    return fail(f"DM {name.value}", str(error), f"is {variable} right, and does the service run?", url=url)


async def _seen(url: str, deadline_s: float) -> Probe | DmError:
    try:
        return await probe(url, deadline_s)
    except DmError as error:
        return error


@dataclass(frozen=True)
class _Asked:
    """One question, how long its answer took, and the answer or the error."""

    question: Question
    took_s: float
    answer: str = ""
    error: DmError | None = None


async def _asked(dm: RestDm | ApsDm, name: Service) -> Sequence[_Asked]:
    """The first question alone, for its time; the others only if it was answered. The last entry repeats the first one."""
    mine = [question for question in questions(dm) if question.service is name]
    first = await _ask(mine[0])
    if first.error is not None:
        return [first]
    return [first, *[await _ask(question) for question in mine[1:]], await _ask(mine[0])]


async def _ask(question: Question) -> _Asked:
    began_s = time.monotonic()
    try:
        answer = await question.ask()
    except DmError as error:
        return _Asked(question, time.monotonic() - began_s, error=error)
    return _Asked(question, time.monotonic() - began_s, answer)


def _main(name: Service, url: str, asked: Sequence[_Asked], deadline_s: float) -> Finding:
    first, last = asked[0], asked[-1]
    what = f"DM {name.value}"
    if isinstance(first.error, DmLoginError):
        return fail(what, str(first.error), "see the login file", url=url)
    if first.error is not None:
        return _away(name, url, first.error)
    text = f"{url}: {first.answer}; {_ms(first.took_s)} with the login, then {_ms(last.took_s)}"
    values = {"url": url, "first_s": round(first.took_s, 4), "latency_s": round(last.took_s, 4)}
    if last.took_s > deadline_s / 2:
        return warning(what, text, "half the deadline is gone: raise deadline_s of [dm]", **values)
    return ok(what, text, **values)


def _other(name: Service, asked: _Asked) -> Finding:
    remedy = f"[dm.endpoints] or [dm.methods] corrects {asked.question.name}, where DM has it elsewhere"
    return fail(f"DM {name.value}", str(asked.error), remedy)


def _ms(seconds: float) -> str:
    return f"{1e3 * seconds:.0f} ms"


def _shown(name: Service, seen: Probe, settings: DmSettings, is_verified: bool) -> list[Finding]:
    shown = seen.certificate
    return [*([] if shown is None else [_certificate(name, shown, settings, is_verified)]), clock(name, seen)]


def clock(name: Service, seen: Probe) -> Finding:
    """Whether DM's host has the time that this one has, as far as HTTP's whole seconds tell."""
    what = f"DM {name.value} clock"
    if seen.ahead_s is None:
        return ok(what, "not told")
    if abs(seen.ahead_s) > _CLOCK_S:
        side = "ahead of" if seen.ahead_s > 0 else "behind"
        text = f"DM's is {abs(seen.ahead_s):.0f} s {side} this host's"
        return warning(what, text, "times on PVs are DM's: set both by NTP", ahead_s=round(seen.ahead_s, 1))
    return ok(what, f"within {max(abs(seen.ahead_s), 1.0):.0f} s", ahead_s=round(seen.ahead_s, 1))


def _certificate(name: Service, shown: Certificate, settings: DmSettings, is_verified: bool) -> Finding:
    what = f"DM {name.value} certificate"
    issuer = "itself" if shown.is_self_signed else shown.issuer or "unknown"
    days = shown.days_left(time.time())
    until = f"until {day(shown.ends_s)}" if shown.ends_s else "until an unknown day"
    text = f"{shown.subject or 'unknown'} by {issuer}, {until}, SHA-256 {shown.fingerprint}"
    values = {
        "subject": shown.subject,
        "issuer": shown.issuer,
        "days_left": round(days, 1) if shown.ends_s else None,
        "fingerprint": shown.fingerprint,
    }
    if not is_verified:
        return warning(what, f"{text}; it is not verified", 'backend = "rest" would verify it', **values)
    pin = f'fingerprint = "{shown.fingerprint}" of [dm] takes this one only'
    if not settings.verify and not settings.fingerprint:
        return warning(what, f"{text}; verify = false takes any certificate", pin, **values)
    if shown.is_self_signed and settings.ca_file is None and not settings.fingerprint:
        return warning(what, f"{text}; nobody vouches for it", pin, **values)
    if shown.ends_s and days < _SOON_DAYS:
        state = "has expired" if days < 0 else f"expires in {days:.0f} days"
        return warning(what, f"{text}; it {state}", "ask DM's administrators for a new one", **values)
    return ok(what, text, **values)
