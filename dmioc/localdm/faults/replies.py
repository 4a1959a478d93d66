"""What goes out when a request meets faults: no answer, another one, or DM's own with changes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import msgspec
from aiohttp import web

from dmioc.localdm.answers import DmAnswerNo, InvalidSession, ObjectNotFound
from dmioc.localdm.faults.in_force import RESTART, Armed
from dmioc.localdm.faults.kinds import Scope
from dmioc.localdm.faults.records import change, is_older
from dmioc.localdm.faults.requests import Asked, is_named
from dmioc.localdm.responses import refused
from dmioc.localdm.wire import refusal_body, refusal_headers

Answer = Callable[[], Awaitable[web.StreamResponse]]
"""Has localdm carry a request out, and answers what it says."""

_LOOK_S = 0.05
_HTML = """<!DOCTYPE html>
<html><head><title>Sign in</title></head><body><form action="/login"><p>fault of localdm: please sign in.</p></form></body></html>
"""
_READS = {
    "stopProcessingJob": "getProcessingJobById",
    "deleteProcessingJob": "getProcessingJobById",
    "stopUpload": "getUploadInfo",
    "clearUpload": "getUploadInfo",
    "clearDaq": "getDaqInfo",
}
"""Endpoints that change an object, and those that only tell of it."""

Look = Callable[[str], Awaitable[object]]
"""Asks an endpoint, by its name, with the values of the request."""


async def faulty_answer(
    request: web.Request, asked: Asked, met: Sequence[Armed], answer: Answer, look: Look
) -> web.StreamResponse:
    """Answer a request that met faults; those in place of an answer count before those in it."""
    for armed in met:
        if armed.fault.scope is Scope.REPLY:
            if armed.fault.kind == "slow":
                await _until(armed, request, armed.fault.seconds)
            else:
                return await _in_place(request, armed, answer)
        elif await _is_unknown(armed, asked, look):
            return _unknown(asked)
    response = await answer()
    for armed in met:
        if armed.fault.scope in (Scope.RECORDS, Scope.PORT):
            response = await asyncio.to_thread(_changed, response, armed, asked)
    for armed in met:
        if armed.fault.scope is Scope.ANSWER and isinstance(response, web.Response):
            body = _body(response)
            if armed.fault.kind == "cut":
                return _json(body[: len(body) // 2], response)
            return await _hang_in_body(request, armed, response, body)
    return response


async def _is_unknown(armed: Armed, asked: Asked, look: Look) -> bool:
    """Whether DM is to say that it does not know what the request names."""
    if armed.fault.kind == "lost":
        return asked.names_something and is_named(armed.fault, asked)
    if armed.fault.kind != RESTART or asked.endpoint.name not in _READS:
        return False
    try:
        record = await look(_READS[asked.endpoint.name])
    except DmAnswerNo:
        return False
    # Some handlers answer JSON that is encoded already.
    content = msgspec.json.decode(record) if isinstance(record, msgspec.Raw) else record
    return is_older(content, armed.started_s)


async def _in_place(request: web.Request, armed: Armed, answer: Answer) -> web.StreamResponse:
    fault = armed.fault
    if fault.carry_out:
        await answer()
    if fault.kind == "unauthorized":
        return refused(InvalidSession("Session has expired: log in again"))
    if fault.kind == "status":
        return web.Response(status=fault.status, text=f"{fault.message}: HTTP status {fault.status}\n")
    if fault.kind == "html":
        return web.Response(text=_HTML, content_type="text/html")
    if fault.kind == "error":
        words = (fault.code, "InternalError" if fault.code == 2 else "DmException", fault.message)
        headers = refusal_headers(*words) if fault.headers else {}
        return web.Response(body=refusal_body(*words), content_type="application/json", headers=headers)
    if fault.kind == "hang":
        await _until(armed, request, fault.seconds)
    return _gone(request)


async def _until(armed: Armed, request: web.Request, seconds: float | None) -> None:
    """Wait until the fault is over, the client has gone, or the seconds have passed."""
    loop = asyncio.get_running_loop()
    end_s = None if seconds is None else loop.time() + seconds
    while not armed.ended.is_set() and request.transport is not None:
        left_s = _LOOK_S if end_s is None else min(end_s - loop.time(), _LOOK_S)
        if left_s <= 0:
            return
        try:
            await asyncio.wait_for(armed.ended.wait(), left_s)
        except TimeoutError:
            continue


def _gone(request: web.Request) -> web.Response:
    """Close the connection; what is answered then goes nowhere."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


async def _hang_in_body(request: web.Request, armed: Armed, whole: web.Response, body: bytes) -> web.StreamResponse:
    response = web.StreamResponse(status=whole.status, headers=whole.headers)
    response.content_length = len(body)
    await response.prepare(request)
    await response.write(body[: len(body) // 2])
    await _until(armed, request, armed.fault.seconds)
    _gone(request)
    return response


def _changed(response: web.StreamResponse, armed: Armed, asked: Asked) -> web.StreamResponse:
    """DM's answer with the records changed; a refusal stays as it is, and so does a file."""
    if not isinstance(response, web.Response) or response.headers.get("Dm-Status-Code") != "0":
        return response
    content = msgspec.json.decode(_body(response))
    if armed.fault.kind == RESTART and is_older(content, armed.started_s):
        return _unknown(asked)
    content = change(armed.fault, content, armed.started_s, is_named(armed.fault, asked))
    return _json(msgspec.json.encode(content), response)


def _unknown(asked: Asked) -> web.Response:
    thing = asked.object or asked.experiment or asked.endpoint.name
    return refused(ObjectNotFound(f"{thing} does not exist."))


def _body(response: web.Response) -> bytes:
    return response.body if isinstance(response.body, bytes) else b""


def _json(body: bytes, like: web.Response) -> web.Response:
    headers = {name: value for name, value in like.headers.items() if name.startswith("Dm-") or name == "Set-Cookie"}
    return web.Response(body=body, status=like.status, content_type="application/json", headers=headers)
