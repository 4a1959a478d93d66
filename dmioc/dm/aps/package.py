"""The package ``aps-dm-api``: whether it is there, what version it is, and its classes (``dm-protocol.md §10``)."""

from __future__ import annotations

import importlib
import importlib.machinery
import importlib.metadata
import importlib.util
import inspect
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from dmioc.dm.aps.environment import lent
from dmioc.dm.aps.methods import Method
from dmioc.dm.readers.refusals import one_line
from dmioc.errors import ConfigurationError
from dmioc.model import Service

MODULE = "dm"
DISTRIBUTION = "aps-dm-api"
OLDEST = (5,)
"""First version whose methods are those of ``dm-protocol.md §10``."""

_REMEDY = 'conda install -c apsu aps-dm-api, or set backend = "rest", which needs no package'
_MARK = "common"  # part of the package that every one of its modules uses
_WEB_SERVICES = {
    Service.DS: "ds_web_service",
    Service.DAQ: "daq_web_service",
    Service.PROC: "proc_web_service",
    Service.CAT: "cat_web_service",
}
_CONDA_META = re.compile(rf"{DISTRIBUTION}-(?P<version>\d[^-]*)-")


@dataclass(frozen=True)
class ApsPackage:
    """The imported package.

    Attributes:
        version: Its version as text; empty if it does not tell.
        path: Where it lies.
        classes: The class of each name that the method table has, or None for one that the package has not.
    """

    version: str
    path: str
    classes: Mapping[str, type[Any] | None] = field(default_factory=dict[str, "type[Any] | None"])

    @property
    def title(self) -> str:
        """Name and version for messages."""
        return f"{DISTRIBUTION} {self.version}".rstrip()

    def lacks(self, method: Method) -> str:
        """Why a method cannot be called, in one line; empty if it can."""
        one = self.classes.get(method.api)
        if one is None:
            return f"{self.title} has no class {method.api}"
        if not callable(getattr(one, method.function, None)):
            return f"{self.title} has no {method.qualified}"
        return ""


def installed_at() -> str:
    """Where the package lies; empty if this Python has none. Nothing of it is imported.

    A module of the same name that is something else (a folder ``dm``, the project ``dm`` of PyPI) is none.
    """
    spec = _spec()
    places = list(spec.submodule_search_locations or ()) if spec is not None and spec.origin else []
    return next((place for place in places if (Path(place) / _MARK).is_dir()), "")


def _spec() -> importlib.machinery.ModuleSpec | None:
    try:
        return importlib.util.find_spec(MODULE)
    except ValueError:  # a module of that name is imported that has no spec
        return None


def load_package(methods: Iterable[Method], variables: Mapping[str, str]) -> ApsPackage:
    """Import the package with these variables in its environment, and find the classes.

    Raises:
        ConfigurationError: it is missing, is another package, cannot be imported, or is too old; the text says what to install.
    """
    path = installed_at()
    if not path:
        raise ConfigurationError(
            f'[dm] backend = "aps-dm-api" needs the package {DISTRIBUTION}: {_missing()}; {_REMEDY}'
        )
    methods = tuple(methods)
    with lent(variables):
        module = _imported(path)
        version = _version(module)
        if _numbers(version) and _numbers(version) < OLDEST:
            oldest = ".".join(map(str, OLDEST))
            raise ConfigurationError(
                f"{DISTRIBUTION} {version} at {path} is too old, {oldest} or newer is needed; {_REMEDY}"
            )
        services = {method.api: method.service for method in methods}
        found = {name: _class(module, name, service) for name, service in services.items()}
        package = ApsPackage(version, path, found)
        _check_classes(package)
        _prime(package)
    return package


def _missing() -> str:
    spec = _spec()
    if spec is None:
        return f"{sys.executable} has no module {MODULE}"
    where = spec.origin or ", ".join(spec.submodule_search_locations or ())
    return f"the module {MODULE} at {where} is another project"


def _imported(path: str) -> ModuleType:
    """The module; supervises foreign code, of which any error means that there is no package to work with."""
    try:
        return importlib.import_module(MODULE)
    except (Exception, SystemExit) as error:
        words = f"{type(error).__name__}: {one_line(str(error))}"
        raise ConfigurationError(f"{DISTRIBUTION} at {path} cannot be imported: {words}; {_REMEDY}") from error


def _version(module: ModuleType) -> str:
    told = getattr(module, "__version__", "")
    if isinstance(told, str) and _numbers(told):
        return told
    try:
        return importlib.metadata.version(DISTRIBUTION)
    except importlib.metadata.PackageNotFoundError:
        names = (path.name for path in (Path(sys.prefix) / "conda-meta").glob(f"{DISTRIBUTION}-*.json"))
        matches = [match["version"] for name in names if (match := _CONDA_META.match(name))]
        return matches[0] if matches else ""


def _numbers(version: str) -> tuple[int, ...]:
    """The leading numbers of a version; empty for a text that is none."""
    match = re.match(r"\d+(?:\.\d+)*", version)
    return tuple(int(number) for number in match[0].split(".")) if match else ()


def _class(module: ModuleType, name: str, service: Service) -> type[Any] | None:
    """The class from the top of the package, else from the module of its service, which is named after it."""
    found = getattr(module, name, None)
    if isinstance(found, type):
        return found
    home = f"{MODULE}.{_WEB_SERVICES[service]}.api.{name[0].lower()}{name[1:]}"
    try:
        found = getattr(importlib.import_module(home), name, None)
    except ImportError:
        return None
    return found if isinstance(found, type) else None


def _check_classes(package: ApsPackage) -> None:
    if not any(package.classes.values()):
        names = ", ".join(sorted(package.classes))
        raise ConfigurationError(f"{package.title} at {package.path} has none of the classes {names}; {_REMEDY}")
    for name, one in package.classes.items():
        if one is None:
            continue
        try:
            inspect.signature(one).bind(username="", password="", url="")
        except ValueError:  # made in C: it tells no signature
            continue
        except TypeError as error:
            raise ConfigurationError(
                f"{package.title} at {package.path}: {name} does not take username, password and url ({error}); {_REMEDY}"
            ) from None


def _prime(package: ApsPackage) -> None:
    """Make one object and forget it: what the package reads once of its environment and its files, it reads now.

    Supervises foreign code: what fails now is tried again by the first call, which reports it.
    """
    for one in package.classes.values():
        if one is not None:
            try:
                one(username="", password="", url="http://127.0.0.1:9")
            except (Exception, SystemExit):
                return
            return
