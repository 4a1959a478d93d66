"""What `ApsDm` makes of exceptions and answers of ``aps-dm-api``; the stand-in gives them without asking any DM."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from aps_backend import Faults, settings_of, stand_in

from dmioc.dm.aps import ApsDm
from dmioc.dm.readers.refusals import CODES
from dmioc.errors import (
    DmAnswerError,
    DmError,
    DmExistsError,
    DmLoginError,
    DmNotFoundError,
    DmRefusedError,
    DmUnreachableError,
)
from dmioc.model import Service, TransferKind

NOBODY: dict[str, str] = {service.value: "http://127.0.0.1:9" for service in Service}
PASSWORD = "open & sesame"


@pytest.fixture
def faults(tmp_path: Path) -> Iterator[Faults]:
    found = Faults(tmp_path / "faults.json")
    with stand_in(**found.environment):
        yield found


def using(tmp_path: Path, use: Callable[[ApsDm], Awaitable[None]], **changes: object) -> None:
    login_file = tmp_path / "login"
    login_file.write_text(f"user|{PASSWORD}")
    login_file.chmod(0o600)

    async def main() -> None:
        dm = ApsDm(settings_of(NOBODY, login_file=login_file, **changes))
        try:
            await use(dm)
        finally:
            await dm.close()

    asyncio.run(main())


def error_for(faults: Faults, tmp_path: Path, fault: str) -> DmError:
    """What ``listDaqs`` raises when the package does this."""
    faults.set(listDaqs=fault)
    found: list[DmError] = []

    async def use(dm: ApsDm) -> None:
        with pytest.raises(DmError) as caught:
            await dm.transfers(TransferKind.DAQ)
        found.append(caught.value)

    using(tmp_path, use)
    assert str(found[0]).startswith("DAQ listDaqs: ") and "\n" not in str(found[0])
    return found[0]


OWN = {
    "CommunicationError": DmUnreachableError,
    "UrlError": DmUnreachableError,
    "TimeoutError": DmUnreachableError,
    "AuthorizationError": DmLoginError,
    "AuthenticationError": DmLoginError,
    "InvalidSession": DmLoginError,
    "ObjectNotFound": DmNotFoundError,
    "ObjectAlreadyExists": DmExistsError,
}


@pytest.mark.parametrize("name", CODES)
def test_each_exception_of_the_package(faults: Faults, tmp_path: Path, name: str) -> None:
    error = error_for(faults, tmp_path, f"{name}: some words")
    assert type(error) is OWN.get(name, DmRefusedError)
    assert "some words" in str(error) and name in str(error)
    if isinstance(error, DmRefusedError):
        assert error.code == CODES[name]


OTHERS = [
    ("ServiceLimitError: too many", DmRefusedError, "too many (ServiceLimitError, code 19)"),
    ("TaskTimeoutError: slow", DmRefusedError, "slow (TaskTimeoutError, code 22)"),
    ("DmException: Incorrect username or password", DmLoginError, "Incorrect username"),
    ("DmException: URL https://127.0.0.1:33336 refused connection.", DmUnreachableError, "refused connection"),
    ("DmException: <urlopen error [Errno 113] No route to host>", DmUnreachableError, "No route"),
    ("UrlError: HTTP Error 404: Not Found", DmAnswerError, "404"),
    ("UrlError: HTTP Error 503: Service Unavailable", DmUnreachableError, "503"),
    ("python.ConnectionRefusedError: no", DmUnreachableError, "ConnectionRefusedError"),
    ("python.TimeoutError: timed out", DmUnreachableError, "timed out"),
    ("python.KeyError: surprise", DmAnswerError, "aps-dm-api failed with KeyError: 'surprise'"),
    ("python.SystemExit: 3", DmAnswerError, "SystemExit"),
    ("python.StopIteration: odd", DmAnswerError, "StopIteration"),
    ("python.RuntimeError: two\nlines", DmAnswerError, "two lines"),
    ("answer: null", DmAnswerError, "list"),
    ("answer: {}", DmAnswerError, "list"),
    ('answer: "<html>"', DmAnswerError, "html"),
    ("answer: [5]", DmAnswerError, "not a list of records: '[5]'"),
    ('answer: [{"id": "a", "status": 7}]', DmAnswerError, "status"),
    ('answer: {"errorCode": 14, "errorMessage": "gone"}', DmNotFoundError, "gone"),
]


@pytest.mark.parametrize(("fault", "kind", "words"), OTHERS, ids=[fault for fault, _, _ in OTHERS])
def test_other_exceptions_and_answers(
    faults: Faults, tmp_path: Path, fault: str, kind: type[DmError], words: str
) -> None:
    error = error_for(faults, tmp_path, fault)
    assert type(error) is kind
    assert words in str(error)


@pytest.mark.parametrize(
    "words", ["Connection refused", "URL https://dm:1 refused connection.", "[Errno 113] No route to host"]
)
def test_what_was_never_sent_is_known(faults: Faults, tmp_path: Path, words: str) -> None:
    error = error_for(faults, tmp_path, f"CommunicationError: {words}")
    assert isinstance(error, DmUnreachableError) and not error.request_sent
    error = error_for(faults, tmp_path, "CommunicationError: lost in the middle")
    assert isinstance(error, DmUnreachableError) and error.request_sent


def test_nobody_listens(faults: Faults, tmp_path: Path) -> None:
    """The package wraps what urllib raised, in an exception of its own."""

    async def use(dm: ApsDm) -> None:
        with pytest.raises(DmUnreachableError, match="Connection refused") as caught:
            await dm.experiments()
        assert not caught.value.request_sent

    using(tmp_path, use)


def test_the_password_is_not_shown(faults: Faults, tmp_path: Path) -> None:
    # The first call makes the object, which has the password; an exception may then quote it in either form.
    for shown in (PASSWORD, "open+%26+sesame"):
        error = error_for(faults, tmp_path, f"InternalError: form username=user&password={shown}")
        assert shown not in str(error) and "password=***" in str(error)


def test_one_stuck_service_leaves_the_others_alone(faults: Faults, tmp_path: Path) -> None:
    async def use(dm: ApsDm) -> None:
        faults.set(listDaqs="hang", listWorkflows="answer: []")
        first, second = await asyncio.gather(
            dm.transfers(TransferKind.DAQ), dm.transfers(TransferKind.DAQ), return_exceptions=True
        )
        for error in (first, second):
            assert isinstance(error, DmUnreachableError) and error.request_sent
            assert "no answer within 0.2 s" in str(error)
        assert dm.stuck_calls(Service.DAQ) == 2
        with pytest.raises(DmUnreachableError, match="all 2 threads of aps-dm-api for DAQ are stuck") as caught:
            await dm.transfers(TransferKind.DAQ)
        assert not caught.value.request_sent
        assert await dm.workflows("me") == []
        assert dm.stuck_calls(Service.PROC) == 0
        faults.set(listDaqs="answer: []")
        while dm.stuck_calls(Service.DAQ):
            await asyncio.sleep(0.01)
        assert await dm.transfers(TransferKind.DAQ) == []
        assert dm.request_errors == 3

    using(tmp_path, use, deadline_s=0.2, threads=2)


def test_a_signature_of_another_version(faults: Faults, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def use(dm: ApsDm) -> None:
        api = dm.package.classes["WorkflowProcApi"]
        assert api is not None
        monkeypatch.setattr(api, "startProcessingJob", lambda self, workflow: None, raising=True)
        with pytest.raises(DmRefusedError, match="takes other arguments: too many positional") as caught:
            await dm.start_job("me", "example", {})
        assert caught.value.code == 10

    using(tmp_path, use)


def test_pages_are_asked_for_where_the_version_knows_them(
    faults: Faults, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[int, int]] = []

    def list_jobs(self: object, owner: str, queryDict: object = None, skip: int = 0, limit: int = 5000) -> object:  # noqa: N803
        asked.append((skip, limit))
        return [{"id": str(number)} for number in range(skip, min(skip + limit, 7))]

    async def use(dm: ApsDm) -> None:
        api = dm.package.classes["WorkflowProcApi"]
        assert api is not None
        monkeypatch.setattr(api, "listProcessingJobs", list_jobs)
        assert [job.id for job in await dm.jobs("me", 5, 10, with_workflow=False)] == ["5", "6"]
        assert asked == [(5, 10)]

    using(tmp_path, use)
