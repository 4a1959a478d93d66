"""Readers of an answer's body: fed as it arrives, asked for the result at its end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

import msgspec

from dmioc.dm.readers.refusals import excerpt, mended, one_line, refusal_in_body
from dmioc.dm.readers.splitter import ArraySplitter
from dmioc.errors import DmAnswerError

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
Row = TypeVar("Row")


class Reader(Protocol[T_co]):
    """Takes a body chunk by chunk; both methods raise `DmAnswerError`, or the error that the body tells."""

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes of the body."""
        ...

    def result(self) -> T_co:
        """What the whole body says."""
        ...


def decoded(what: str, body: bytes, kind: type[T]) -> T:
    """The body as a msgspec type; ``what`` names service and endpoint.

    Raises:
        DmAnswerError: not JSON, not UTF-8, or a key missing or of a wrong type; the text names it.
    """
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        raise DmAnswerError(f"{what}: {error}; came: {excerpt(body)}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        reason = "not UTF-8" if isinstance(error, UnicodeDecodeError) else one_line(str(error))
        body_again = mended(body)
        if body_again is None:
            raise DmAnswerError(f"{what}: not JSON: {reason}; came: {excerpt(body)}") from None
    try:
        return msgspec.json.decode(body_again, type=kind)
    except (msgspec.DecodeError, RecursionError) as error:
        raise DmAnswerError(f"{what}: {one_line(str(error))}; came: {excerpt(body)}") from None


class ObjectReader(Generic[T]):
    """Reads one JSON object and turns its text into the model with a function of ``what`` and the body."""

    def __init__(self, what: str, convert: Callable[[str, bytes], T]) -> None:
        self._what = what
        self._convert = convert
        self._body = bytearray()

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes of the body."""
        self._body += chunk

    def result(self) -> T:
        """The object; raises as `Reader` says."""
        body = bytes(self._body)
        if (told := refusal_in_body(self._what, body)) is not None:
            raise told
        return self._convert(self._what, body)


class RowsReader(Generic[Row, T]):
    """Reads a JSON array of records, decodes them as they come and answers them in order.

    One bad record makes the whole answer a `DmAnswerError` that names its place in the list and the key: a list with a
    hole would be a wrong list. Of two records with one key (an id or a name) the later stands, in the first's place.
    """

    def __init__(self, what: str, kind: type[Row], convert: Callable[[Row], T], key: Callable[[T], object]) -> None:
        self._what = what
        self._kind = kind
        self._decoder = msgspec.json.Decoder(list[kind])
        self._convert = convert
        self._key = key
        self._splitter = ArraySplitter()
        self._seen = 0
        self._rows: dict[object, T] = {}

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes of the body."""
        try:
            records = self._splitter.feed(chunk)
        except ValueError as error:
            raise DmAnswerError(f"{self._what}: not JSON: {error}") from None
        if not records:
            return
        try:
            rows = self._decoder.decode(records)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            rows = self._one_by_one(records)
        for row in rows:
            model = self._convert(row)
            self._rows[self._key(model)] = model
        self._seen += len(rows)

    def _one_by_one(self, records: bytes) -> list[Row]:
        try:
            texts = msgspec.json.decode(records, type=list[msgspec.Raw])
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return decoded(self._what, records, list[self._kind])
        return [
            decoded(f"{self._what}: record {self._seen + index}", bytes(text), self._kind)
            for index, text in enumerate(texts)
        ]

    def result(self) -> list[T]:
        """The records; raises as `Reader` says."""
        try:
            rest = self._splitter.finish()
        except ValueError as error:
            raise DmAnswerError(f"{self._what}: not JSON: {error}") from None
        if rest or not self._splitter.is_array:
            told = refusal_in_body(self._what, rest)
            raise told or DmAnswerError(f"{self._what}: a list is needed, came: {excerpt(rest)}")
        return list(self._rows.values())


def json_reader(what: str) -> ObjectReader[None]:
    """A reader of which nothing is needed but that it is JSON and no error: the shapes of assumed answers are unknown.

    A page of a proxy is no answer, and neither is half of one: whoever takes it for one says Done and does not know.
    """
    return ObjectReader(what, _check_json)


def _check_json(what: str, body: bytes) -> None:
    decoded(what, body, msgspec.Raw)


class IgnoringReader:
    """Reads an answer of which nothing is needed but that it is no error, as of a login: its body is not known at all."""

    _KEPT_BYTES = 65536

    def __init__(self, what: str) -> None:
        self._what = what
        self._body = bytearray()

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes of the body."""
        if len(self._body) < self._KEPT_BYTES:
            self._body += chunk

    def result(self) -> None:
        """Nothing; raises the error that the body tells."""
        if (told := refusal_in_body(self._what, bytes(self._body))) is not None:
            raise told
