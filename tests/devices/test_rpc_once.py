"""A query is sent once, also when the connection is lost and comes back before it is answered."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from epics_environment import LOOPBACK
from p4p.nt import NTURI, NTScalar
from p4p.server import Server
from p4p.server.thread import SharedPV
from pva_client import pva_context
from waiting import wait_until

from dmioc.devices.rpc_once import asked_once


class SilentRpc:
    """A server that takes queries and answers none but ``quick``."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def rpc(self, pv: object, operation: Any) -> None:
        text = operation.value().query.text
        self.asked.append(text)
        if text == "quick":
            operation.done(NTScalar("s").wrap("answer"))


@contextmanager
def served(handler: SilentRpc, port: int) -> Iterator[Server]:
    pvs: Any = {
        "ONCE:RPC": SharedPV(handler=handler, nt=NTScalar("s"), initial=""),
        "ONCE:Version": SharedPV(nt=NTScalar("s"), initial="1"),
    }
    conf = {"EPICS_PVAS_INTF_ADDR_LIST": LOOPBACK, "EPICS_PVAS_SERVER_PORT": str(port)}
    with Server(providers=[pvs], conf=conf) as server:
        yield server


def question(text: str) -> Any:
    return NTURI([("text", "s")]).wrap("ONCE:RPC", kws={"text": text})


def test_a_lost_connection_ends_the_query_and_it_is_not_sent_again() -> None:
    handler = SilentRpc()
    with pva_context() as context:
        ended: list[str] = []

        def ask() -> None:
            try:
                asked_once(context, "ONCE:RPC", question("slow"), "ONCE:Version", 30.0)
            except Exception as error:
                ended.append(type(error).__name__)

        thread = threading.Thread(target=ask)
        with served(handler, 0) as server:
            port = int(server.conf()["EPICS_PVAS_SERVER_PORT"])
            thread.start()
            wait_until(lambda: handler.asked == ["slow"], what="the query arrives")
        wait_until(lambda: ended == ["Disconnected"], what="the client is told at once")
        thread.join()
        with served(handler, port):
            context.hurryUp()
            assert asked_once(context, "ONCE:RPC", question("quick"), "ONCE:Version", 10.0)["value"] == "answer"
        # It went over the new connection: a query that is sent again goes before it.
        assert handler.asked == ["slow", "quick"]


def test_no_answer_is_a_time_out() -> None:
    with pva_context() as context, served(SilentRpc(), 0), pytest.raises(TimeoutError, match="ONCE:RPC"):
        asked_once(context, "ONCE:RPC", question("slow"), "ONCE:Version", 0.3)
