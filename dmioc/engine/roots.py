"""Directories that DAQs and uploads are limited to (settings ``[access]``), checked where a transfer is started.

They guard against mistakes and against clients that reach too far. What DM itself may read is a matter of its own permissions:
it resolves the path again when it begins, and follows links that lie in the tree.
"""

from __future__ import annotations

import asyncio
import os
import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from dmioc.catalogue import shown
from dmioc.errors import RefusedError
from dmioc.model import TransferKind

if TYPE_CHECKING:
    from dmioc.engine.core import Core
    from dmioc.model import Transfer

_LOOK_TIMEOUT_S = 5.0
_OTHER_HOST = re.compile(r"(?P<host>@[^:/]*:?|[a-zA-Z][a-zA-Z0-9+.-]*://[^/]*|[^/:@]+:(?=/))(?P<path>.*)", re.DOTALL)
"""DM's forms for another host (``dm-protocol.md §4.3``), and rsync's ``host:/path``."""

_FILE = "experimentFilePath"
_UPLOAD_ON_EXIT = "uploadDataDirectoryOnExit"
_IN_EXPERIMENT = frozenset({"destDirectory", "uploadDestDirectoryOnExit"})
_OF_THE_WORKFLOW = frozenset({"workflowArgs"})
"""Keys of ``dm-protocol.md §4.3`` and §5 that hold paths. Arguments of a workflow are the workflow's matter."""


@dataclass(frozen=True, slots=True)
class Roots:
    """The directories that transfers of each kind may read; none: all.

    Each as a client would give it: absolute, or in one of DM's forms for another host, which is then the only one taken there.
    """

    daq: tuple[str, ...] = ()
    upload: tuple[str, ...] = ()

    def of(self, kind: TransferKind) -> tuple[str, ...]:
        """Those of a kind."""
        return self.daq if kind is TransferKind.DAQ else self.upload

    async def check(self, kind: TransferKind, directory: str, options: Mapping[str, object]) -> None:
        """Return when a transfer may be started.

        Args:
            kind: DAQ or upload.
            directory: what it is to read.
            options: DM's own keys.

        Raises `RefusedError` naming the path, where it leads, and the roots.
        """
        if not self.daq and not self.upload:
            return
        try:
            async with asyncio.timeout(_LOOK_TIMEOUT_S):
                await asyncio.to_thread(self._check, kind, directory, options)
        except TimeoutError:
            raise RefusedError(
                f"{shown(directory)} was not found to be within {_roots_text(self.of(kind))} in {_LOOK_TIMEOUT_S:g} s:"
                " does its file server answer?"
            ) from None

    def _check(self, kind: TransferKind, directory: str, options: Mapping[str, object]) -> None:
        self._check_path(kind, "the directory", directory)
        for key, value in options.items():
            if key in _OF_THE_WORKFLOW:
                continue
            for text in _texts(value):
                if key in _IN_EXPERIMENT:
                    _check_inside(key, text)
                elif key == _FILE:
                    self._check_path(kind, key, posixpath.join(directory, text))
                elif key == _UPLOAD_ON_EXIT:
                    self._check_path(TransferKind.UPLOAD, key, text)
                elif _is_path(text):
                    self._check_path(kind, key, text)

    def _check_path(self, kind: TransferKind, name: str, path: str) -> None:
        roots = self.of(kind)
        if not roots:
            return
        host, place = _located(path)
        if place is not None and any(_lies_in(host, place, root) for root in roots):
            return
        leads = f", which is {place}," if not host and place is not None and place != path else ""
        what = "DAQs" if kind is TransferKind.DAQ else "uploads"
        raise RefusedError(f"{name} {shown(path)}{leads} is not within what {what} may read: {_roots_text(roots)}")


def _roots_text(roots: Sequence[str]) -> str:
    return ", ".join(roots)


def _located(path: str) -> tuple[str, str | None]:
    """The host, empty for this one, and where the path leads; None for one that cannot be told."""
    if path.startswith("/"):
        try:
            # Two slashes at the beginning would stay two: POSIX leaves open what they mean.
            return "", os.path.realpath("/" + path.lstrip("/"))
        except ValueError:  # a NUL, or half of a surrogate pair: no file has such a name
            return "", None
    match = _OTHER_HOST.fullmatch(path)
    if match is None or not match["path"].startswith("/") or "%" in path or ".." in match["path"].split("/"):
        return path, None  # what ``..`` and escapes lead to on another host is not known here
    return match["host"], posixpath.normpath("/" + match["path"].lstrip("/"))


def _lies_in(host: str, place: str, root: str) -> bool:
    root_host, root_place = _located(root)
    if root_place is None or root_host != host:
        return False
    return place == root_place or place.startswith(root_place.rstrip("/") + "/")


def is_root(path: str) -> bool:
    """Whether a path can be a root: absolute, or of another host, and without ``..``."""
    return ".." not in path.split("/") and _located(path)[1] is not None


def _is_path(text: str) -> bool:
    return text.startswith("/") or ".." in text.split("/") or _OTHER_HOST.fullmatch(text) is not None


def _check_inside(key: str, path: str) -> None:
    if path.startswith(("/", "~")) or ".." in path.split("/") or _OTHER_HOST.fullmatch(path):
        raise RefusedError(f"{key} {shown(path)} leads out of the experiment: a relative path without .. is needed")


def _texts(value: object) -> Iterator[str]:
    """Every text in the value of an option."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for one in cast("Mapping[object, object]", value).values():
            yield from _texts(one)
    elif isinstance(value, list | tuple):
        for one in cast("Sequence[object]", value):
            yield from _texts(one)


ANYWHERE = Roots()
"""No limits."""


async def start_daq(core: Core, experiment: str, directory: str, options: Mapping[str, object]) -> Transfer:
    """Have DM start a DAQ; raises `RefusedError` for what lies outside of the roots, and `DmError`."""
    await core.roots.check(TransferKind.DAQ, directory, options)
    return await core.dm.start_daq(experiment, directory, options)


async def start_upload(core: Core, experiment: str, directory: str, options: Mapping[str, object]) -> Transfer:
    """Have DM start an upload; raises `RefusedError` for what lies outside of the roots, and `DmError`."""
    await core.roots.check(TransferKind.UPLOAD, directory, options)
    return await core.dm.start_upload(experiment, directory, options)
