"""Answers and refusals as HTTP responses (``dm-protocol.md §2.2, §2.3``)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import msgspec
from aiohttp import web

from dmioc.localdm.answers import DmAnswerNo, InvalidSession
from dmioc.localdm.wire import refusal_body, refusal_headers, refusal_words


def ok_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers of an answer that is no error."""
    return {"Dm-Status-Code": "0", **headers}


async def success(content: object, headers: Mapping[str, str]) -> web.Response:
    """An answer as JSON."""
    # In a thread, because a list of jobs can have tens of megabytes.
    body = await asyncio.to_thread(msgspec.json.encode, content)
    return web.Response(body=body, content_type="application/json", headers=ok_headers(headers))


def refusal(code: int, wire_name: str, message: str, status: int = 200) -> web.Response:
    """An error reply."""
    return web.Response(
        body=refusal_body(code, wire_name, message),
        status=status,
        content_type="application/json",
        headers=refusal_headers(code, wire_name, message),
    )


def refused(error: DmAnswerNo) -> web.Response:
    """The error reply of a refusal, with HTTP 401 for a session that is none (§11 row 2)."""
    return refusal(*refusal_words(error), status=401 if isinstance(error, InvalidSession) else 200)
