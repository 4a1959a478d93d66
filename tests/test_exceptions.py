"""Every handler that catches whatever comes, with the reason why it must: a new one is added here, or names its errors."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BROAD = {"Exception", "BaseException"}

LOOP = "supervisor of a loop: a bug in one round must not end the rounds that follow"
THREAD = "supervisor of a thread: whoever waits for it must learn that it has ended, and why"
ONE_CLIENT = "supervisor of one client's requests: the others must not notice, and it must get an answer"
FOREIGN = "the official DM package runs there, whose errors are of any class: each is told as one of ours"
ONE_OBJECT = "supervisor of one job, transfer or command: it ends as failed, with the reason, and no other does"

REASONS = {
    "dmioc/devices/job_follower.py JobFollower._run": THREAD,
    "dmioc/devices/metadata_keeper.py MetadataKeeper._run": LOOP,
    "dmioc/devices/metadata_sender.py MetadataSender._pass": LOOP,
    "dmioc/devices/monitored.py SetpointSignal._in_thread.run": THREAD,
    "dmioc/devices/plan_waits.py in_background.run": THREAD,
    "dmioc/devices/run_documents.py json_document": "code of any class runs there: one odd value must not cost a whole run",
    "dmioc/dm/aps/calls.py ApsCalls._once": FOREIGN,
    "dmioc/dm/aps/package.py _imported": FOREIGN,
    "dmioc/dm/aps/package.py _prime": FOREIGN,
    "dmioc/dm/aps/threads.py CallThreads._work": THREAD,
    "dmioc/engine/commands.py Commands._outcome": ONE_OBJECT,
    "dmioc/engine/polling.py Poller._ask": LOOP,
    "dmioc/localdm/server.py HttpService._true_answer": ONE_CLIENT,
    "dmioc/localdm/transfers/transfer.py Transfer.run": ONE_OBJECT,
    "dmioc/localdm/workflows/jobs.py Jobs._supervise": ONE_OBJECT,
    "dmioc/plans/guarding.py guarded": "it drives another plan, as bluesky's preprocessors do: what comes is that plan's",
    "dmioc/serve/ca/circuit.py Circuit.subscription_queue_loop": ONE_CLIENT,
    "dmioc/serve/ca/context.py ServerContext.tcp_handler": ONE_CLIENT,
    "dmioc/serve/pva/operations.py PutHandler._put": ONE_CLIENT,
    "dmioc/serve/pva/rpc.py RpcHandler._call": ONE_CLIENT,
    "dmioc/streaming/reporter.py Reporter._run": THREAD,
}


def broad_handlers(tree: ast.AST, names: tuple[str, ...] = ()) -> Iterator[str]:
    """Qualified names of the functions with such a handler, one for each; handlers that only raise again are left out."""
    for node in ast.iter_child_nodes(tree):
        is_named = isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        if isinstance(node, ast.ExceptHandler) and is_broad(node) and not raises_again(node):
            yield ".".join(names) or "<module>"
        yield from broad_handlers(node, (*names, node.name) if is_named else names)


def is_broad(handler: ast.ExceptHandler) -> bool:
    caught = ast.walk(handler.type) if handler.type is not None else ()
    return handler.type is None or any(isinstance(node, ast.Name) and node.id in BROAD for node in caught)


def raises_again(handler: ast.ExceptHandler) -> bool:
    last = handler.body[-1]
    return isinstance(last, ast.Raise) and last.exc is None


def test_each_broad_handler_has_its_reason() -> None:
    found = Counter(
        f"{path.relative_to(ROOT)} {name}"
        for path in sorted((ROOT / "dmioc").rglob("*.py"))
        for name in broad_handlers(ast.parse(path.read_text("utf-8")))
    )
    assert found == Counter(REASONS.keys())


@pytest.mark.parametrize(
    ("handler", "is_seen"),
    [
        ("except:", True),
        ("except BaseException:", True),
        ("except (OSError, Exception) as error:", True),
        ("except OSError:", False),
    ],
)
def test_a_broad_handler_would_be_seen(handler: str, is_seen: bool) -> None:
    code = f"class C:\n  def f(self):\n    def g():\n      try: work()\n      {handler}\n        pass"
    assert list(broad_handlers(ast.parse(code))) == (["C.f.g"] if is_seen else [])
    assert list(broad_handlers(ast.parse(code.replace("pass", "raise")))) == []
