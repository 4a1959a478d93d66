"""One request as the handlers see it: who asks, and the values of the endpoint, decoded when asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import cast

from dmioc.localdm.answers import InvalidArgument
from dmioc.localdm.endpoints import Endpoint, Form
from dmioc.localdm.wire import decode_json, decode_text, shortened


@dataclass(frozen=True, slots=True)
class Call:
    """One request to an endpoint; ``raw`` holds the values as they came, percent-decoded.

    A value that is missing is empty text, an empty object or the default given; one that cannot be decoded raises
    `InvalidArgument` with its name.
    """

    endpoint: Endpoint
    username: str
    raw: Mapping[str, str]

    def text(self, name: str) -> str:
        """A value as text."""
        value = self.raw.get(name, "")
        form = self.endpoint.forms[name]
        return value if form is Form.PLAIN else decode_text(value, name)

    def needed(self, name: str) -> str:
        """A value as text that must not be empty."""
        text = self.text(name)
        if not text:
            raise InvalidArgument(f"{self.endpoint.name} needs {name}")
        return text

    def count(self, name: str, default: int) -> int:
        """A value as a number that is not negative."""
        text = self.text(name) or str(default)
        if not (text.isascii() and text.isdigit() and len(text) < 19):
            raise InvalidArgument(f"{name} must be a number from 0, not {shortened(text)}")
        return int(text)

    def json(self, name: str, default: object) -> object:
        """A value as whatever its JSON holds."""
        value = self.raw.get(name, "")
        return decode_json(value, name) if decode_text(value, name) else default

    def document(self, name: str) -> dict[str, object]:
        """A value as a JSON object."""
        content = self.json(name, {})
        if not isinstance(content, dict):
            raise InvalidArgument(f"{name} must be a JSON object, not {shortened(str(content))}")
        return cast(dict[str, object], content)


Handler = Callable[[Call], Awaitable[object]]
"""Answers a call with what goes out as JSON (``msgspec.Raw`` for text that is JSON), or with a path for the file itself."""

Handlers = Mapping[str, Handler]
"""The handlers of one service by the endpoint's name."""


def in_thread(function: Callable[[Call], object]) -> Handler:
    """The handler for a function that touches the disk: runs it in a worker thread."""

    async def handle(call: Call) -> object:
        return await asyncio.to_thread(function, call)

    return handle


def at_once(function: Callable[[Call], object]) -> Handler:
    """The handler for a function that is quick and belongs to the event loop."""

    async def handle(call: Call) -> object:
        return function(call)

    return handle
