"""Queries by name over PVAccess: every one is answered."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from p4p import Type, Value
from p4p.client.thread import RemoteError
from p4p.nt import NTURI
from pva_client import PvaContext
from pva_process import PvaProcess
from waiting import wait_until

from dmioc.serve.pva.rpc import MOST_CALLS


def uri(path: str, **arguments: Any) -> Value:
    codes = {str: "s", int: "i", float: "d", bool: "?", list: "as"}
    return NTURI([(name, codes[type(value)]) for name, value in arguments.items()]).wrap(path, kws=arguments)


def test_an_answer_keeps_the_kinds_of_its_fields(pva: PvaProcess, context: PvaContext) -> None:
    pva.ask("figures")  # collects garbage: p4p forgets the handlers of a PV that Python lets go of
    answer = context.rpc(pva.prefix + "RPC", uri(pva.prefix + "RPC", method="job", id="7"))
    assert answer.getID() == "dmioc:Job:1.0"
    kinds = {"id": "s", "size": "l", "part": "d", "ok": "?", "users": "as", "none": "as"}
    assert {name: answer.type().aspy(name) for name in kinds} == kinds
    assert (answer["id"], answer["size"], answer["part"], answer["ok"]) == ("é?", 2**40, 0.25, True)
    assert answer["users"] == ["a", "b"]
    assert answer["stages"].getID() == "epics:nt/NTTable:1.0"
    assert answer["stages.labels"] == ["stage", "size", "part"]
    assert answer["stages.value.stage"] == ["one", "two"]
    assert list(answer["stages.value.size"]) == [1, 2**40]
    assert list(answer["stages.value.part"]) == [0.5, 1.0]


def test_a_table_alone_is_an_nttable_of_the_catalogues_kinds(pva: PvaProcess, context: PvaContext) -> None:
    answer = context.rpc(pva.prefix + "RPC", uri(pva.prefix + "RPC", method="list"))
    listed = context.get(pva.prefix + "JOB:List")
    assert answer.getID() == "epics:nt/NTTable:1.0"
    assert answer.type().aspy("value") == listed.type().aspy("value")
    assert answer["labels"] == listed["labels"]
    assert answer["timeStamp.secondsPastEpoch"] == 1_700_000_000


def test_a_question_may_have_any_form(pva: PvaProcess, context: PvaContext) -> None:
    name = pva.prefix + "RPC"
    nested = [("deep", ("S", None, [("n", "i"), ("many", "ad")])), ("names", "as"), ("any", "v")]
    plain = Value(Type([("method", "s"), ("id", "s"), ("limit", "i")]), {"method": "job", "id": "7", "limit": 3})
    structured = Value(
        Type([("method", "s"), ("query", ("S", None, nested))]),
        {"method": "job", "query": {"deep": {"n": 1, "many": [1.5]}, "names": ["a"], "any": "v"}},
    )
    pva.ask("puts")
    for question in (
        uri(name, method="job", id="7", limit=3),
        plain,
        structured,
        uri("job"),
        uri(f"{name}/job", a="b"),
    ):
        context.rpc(name, question)
    asked = pva.ask("puts")
    assert {method for method, _, _ in asked} == {"job"}
    assert {origin.partition("@")[2] for _, _, origin in asked} == {"127.0.0.1 over rpc"}
    assert [arguments for _, arguments, _ in asked] == [
        "{'id': '7', 'limit': 3}",
        "{'id': '7', 'limit': 3}",
        "{'deep': {'n': 1, 'many': (1.5,)}, 'names': ('a',), 'any': 'v'}",
        "{}",
        "{'a': 'b'}",
    ]


@pytest.mark.parametrize(
    ("method", "reason"),
    [
        ("refuse", "no such experiment: é ?"),
        ("bug", "internal error of the gateway; its log tells more"),
        ("unsendable", "internal error of the gateway; its log tells more"),
        ("", "RPC needs the argument method; method=help tells which there are"),
    ],
)
def test_what_fails_is_answered_with_the_reason(pva: PvaProcess, context: PvaContext, method: str, reason: str) -> None:
    with pytest.raises(RemoteError) as failure:
        context.rpc(pva.prefix + "RPC", uri(pva.prefix + "RPC", method=method))
    assert str(failure.value).endswith(reason)


def test_another_pv_answers_no_query(pva: PvaProcess, context: PvaContext) -> None:
    with pytest.raises(RemoteError, match="not supported"):
        context.rpc(pva.prefix + "PollPeriod", uri("x", method="job"))


def test_too_many_queries_at_a_time_are_refused_and_the_rest_is_answered(pva: PvaProcess, context: PvaContext) -> None:
    name = pva.prefix + "RPC"
    answers: list[Any] = []

    def ask() -> None:
        answers.append(context.rpc(name, uri(name, method="hang"), timeout=30, throw=False))

    threads = [threading.Thread(target=ask) for _ in range(MOST_CALLS + 5)]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(answers) == 5)
    assert {str(answer) for answer in answers} == {f"{name} is busy: {MOST_CALLS} queries are running"}
    assert context.get(pva.prefix + "PollPeriod")["value"] == 0.5, "others are not delayed"
    pva.ask("release")
    for thread in threads:
        thread.join(10)
    assert len([answer for answer in answers if isinstance(answer, Value)]) == MOST_CALLS


def test_queries_that_run_when_the_server_stops_are_answered(pva: PvaProcess, context: PvaContext) -> None:
    name = pva.prefix + "RPC"
    answers: list[Any] = []
    pva.ask("puts")
    with PvaContext() as client:
        asking = threading.Thread(
            target=lambda: answers.append(client.rpc(name, uri(name, method="wait"), timeout=60, throw=False))
        )
        asking.start()
        wait_until(lambda: pva.ask("puts"))
        pva.ask("restart")
        asking.join(10)
    assert "the gateway stopped before the end" in str(answers)
    wait_until(lambda: context.get(pva.prefix + "PollPeriod", timeout=1, throw=False))
