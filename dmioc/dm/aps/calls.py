"""How a call travels through ``aps-dm-api``: a thread, an object of the package, a method, its answer or its exception."""

from __future__ import annotations

import inspect
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, cast
from urllib.parse import quote_plus

from dmioc.dm.aps.logs import GuardedLog
from dmioc.dm.aps.methods import Arguments, Method, method_table
from dmioc.dm.aps.package import ApsPackage, load_package
from dmioc.dm.aps.records import read
from dmioc.dm.aps.refusals import dm_error
from dmioc.dm.aps.settings import ApsSettings
from dmioc.dm.aps.threads import CallThreads
from dmioc.dm.calls.base import Calls
from dmioc.dm.calls.values import INVALID_ARGUMENT
from dmioc.dm.login import LoginFile, LoginPause
from dmioc.dm.readers.bodies import Reader
from dmioc.dm.readers.refusals import AUTHENTICATION, INVALID_SESSION, without_secrets
from dmioc.errors import ConfigurationError, DmError, DmLoginError, DmNotFoundError, DmRefusedError
from dmioc.model import Service

T = TypeVar("T")
_NO_METHOD = 11  # DM's InvalidRequest: what was asked for cannot be done here


@dataclass
class Counters:
    """Calls made since start, and those that ended in an error; the package's own logins cannot be counted."""

    requests: int = 0
    errors: int = 0


_Made = tuple[Any, list[str]]
"""An object of the package, and what must not be shown to people."""


class _Own(threading.local):
    """What belongs to one thread: the objects it made, by class, and after how many refused logins."""

    def __init__(self) -> None:
        super().__init__()
        self.logins = -1
        self.apis: dict[str, _Made] = {}


class ApsCalls(Calls):
    """Calls the method of the table in a thread of its service."""

    def __init__(self, settings: ApsSettings) -> None:
        self._settings = settings
        self._methods = {method.name: method for method in method_table(settings.methods)}
        self._login_file = LoginFile(settings.login_file)
        self._counters = Counters()
        self._log = GuardedLog()
        try:
            self._package: ApsPackage = load_package(self._methods.values(), settings.variables)
        except ConfigurationError:
            self._log.close()
            raise
        self._log.restore()
        self._threads = {service: CallThreads(service.value, settings.threads) for service in Service}
        self._pauses = {service: LoginPause() for service in Service}
        self._own = _Own()
        self._logins = dict.fromkeys(Service, 0)

    async def _call(
        self,
        name: str,
        values: Mapping[str, str],
        make_reader: Callable[[str], Reader[T]],
        is_question: bool = False,
    ) -> T:
        """What the reader made of the answer; see `Calls._call`."""
        method = self._methods[name]
        what = f"{method.service.value} {method.name}"
        every_value = {"station": self._settings.station, **values}
        self._counters.requests += 1
        pause = self._pauses[method.service]
        try:
            return await self._taken(pause, what, method, every_value, make_reader)
        except DmError as error:
            if not (is_question and isinstance(error, DmNotFoundError)):
                self._counters.errors += 1
            raise

    async def _taken(
        self,
        pause: LoginPause,
        what: str,
        method: Method,
        values: Mapping[str, str],
        make_reader: Callable[[str], Reader[T]],
    ) -> T:
        """The answer of a call that is made unless DM has just refused the login."""
        pause.check(time.monotonic())
        threads, logins = self._threads[method.service], self._logins[method.service]
        try:
            answer = await threads.run(
                what, lambda: self._ask(what, method, values, make_reader(what)), self._settings.deadline_s
            )
        except DmLoginError as error:
            # Of calls that were under way together only the first one counts.
            if error.code in (AUTHENTICATION, INVALID_SESSION) and logins == self._logins[method.service]:
                pause.refused(error, time.monotonic())
                # Objects made from now on get what the login file then holds.
                self._logins[method.service] += 1
            raise
        pause.taken()
        return answer

    def _ask(self, what: str, method: Method, values: Mapping[str, str], reader: Reader[T]) -> T:
        """Runs in a thread."""
        if lacking := self._package.lacks(method):
            hint = "" if method.is_known else f"; methods.{method.name} of [dm] names another"
            raise DmRefusedError(f"{what}: {lacking}{hint}", _NO_METHOD)
        arguments = method.arguments(values)
        return read(what, self._answer(what, method, arguments), reader)

    def _answer(self, what: str, method: Method, arguments: Arguments) -> object:
        """What the package answers; once more with a new session where DM has forgotten the old one."""
        try:
            return self._once(what, method, arguments)
        except DmLoginError as error:
            if error.code != INVALID_SESSION:
                raise
        self._apis(method.service).pop(method.api, None)
        return self._once(what, method, arguments)

    def _once(self, what: str, method: Method, arguments: Arguments) -> object:
        """Supervises foreign code, every exception of which becomes one of ours."""
        secrets: list[str] = []
        try:
            api, secrets = self._api(method)
            function = getattr(api, method.function)
            positional, keywords, rows = _fitting(what, method, function, arguments)
            answer = function(*positional, **keywords)
        except DmError:
            raise
        except (Exception, SystemExit) as error:
            raise without_secrets(dm_error(what, error), secrets) from None
        finally:
            self._log.restore()
        return cast("list[object]", answer)[rows] if rows is not None and isinstance(answer, list) else answer

    def _apis(self, service: Service) -> dict[str, _Made]:
        """This thread's objects by class, a thread being of one service; new ones after a refused login."""
        if self._own.logins != self._logins[service]:
            self._own.logins, self._own.apis = self._logins[service], {}
        return self._own.apis

    def _api(self, method: Method) -> _Made:
        """This thread's object of the class, which holds a session: nothing says that threads may share one."""
        apis = self._apis(method.service)
        if method.api not in apis:
            login = self._login_file.read()
            secrets = [quote_plus(login.password), login.password]
            self._log.hide(*secrets)
            make = cast("Callable[..., Any]", self._package.classes[method.api])
            url = self._settings.url(method.service)
            apis[method.api] = (make(username=login.user, password=login.password, url=url), secrets)
        return apis[method.api]


def _fitting(
    what: str, method: Method, function: Callable[..., object], arguments: Arguments
) -> tuple[tuple[object, ...], dict[str, object], slice | None]:
    """The arguments that the installed version takes, and the rows to take of its answer if it knows no pages.

    Raises:
        DmRefusedError: code 10, when it does not take those that are needed; nothing was sent then.
    """
    keywords = dict(arguments.keywords)
    optional = dict(arguments.optional)
    try:
        signature = inspect.signature(function)
    except ValueError:  # made in C: it tells no signature, and is taken at its word
        return arguments.positional, {**keywords, **optional}, None
    parameters = signature.parameters.values()
    takes_any = any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters)
    taken = {name: value for name, value in optional.items() if takes_any or name in signature.parameters}
    try:
        signature.bind(*arguments.positional, **keywords, **taken)
    except TypeError as error:
        text = (
            f"{what}: {method.qualified} of the installed aps-dm-api takes other arguments: {error}; it has {signature}"
        )
        raise DmRefusedError(text, INVALID_ARGUMENT) from None
    rows = None
    if "skip" in optional and not {"skip", "limit"} <= taken.keys():
        taken = {name: value for name, value in taken.items() if name not in ("skip", "limit")}
        first = cast("int", optional["skip"])
        rows = slice(first, first + cast("int", optional["limit"]))
    return arguments.positional, {**keywords, **taken}, rows
