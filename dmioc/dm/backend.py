"""Which client of DM the settings ask for (``design.md``, DM)."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dmioc.config import BackendName, DmSettings, read_setup_file
from dmioc.dm.rest import RestDm, RestSettings
from dmioc.errors import ConfigurationError
from dmioc.model import Service

if TYPE_CHECKING:
    from dmioc.dm.aps import ApsDm, ApsSettings

_log = logging.getLogger(__name__)
_DM_PREFIX = "DM_"


@dataclass(frozen=True)
class LocalDm:
    """Where the embedded DM serves; ``urls`` by the name of the service."""

    urls: Mapping[str, str]
    station: str
    login_file: Path
    owner: str


@dataclass(frozen=True)
class Backend:
    """The client, why it is this one, and what people should know about that, one line each."""

    dm: RestDm | ApsDm
    reason: str
    warnings: tuple[str, ...] = ()


def make_backend(settings: DmSettings, local: LocalDm | None = None) -> Backend:
    """The client that the settings ask for; ``local`` is the embedded DM where that is used.

    ``auto`` takes aps-dm-api where this Python has it and it can be used, else REST. To be called in the main thread before
    others run, as it may import aps-dm-api.

    Raises:
        ConfigurationError: a setting cannot be, or the backend that was named cannot be used.
    """
    if local is not None:
        return Backend(RestDm(_local_settings(settings, local)), "the embedded DM")
    if settings.backend is BackendName.APS:
        return Backend(_aps(settings), "as was set")
    if settings.backend is not BackendName.AUTO:
        return Backend(RestDm(rest_settings(settings)), "as was set")
    if needs := _needs_rest(settings):
        return Backend(RestDm(rest_settings(settings)), f"auto: {needs} is for REST only")
    from dmioc.dm.aps import installed_at  # noqa: PLC0415 - a local DM starts sooner without

    if not installed_at():
        return Backend(RestDm(rest_settings(settings)), "auto: aps-dm-api is not installed")
    return _automatic(settings)


def _automatic(settings: DmSettings) -> Backend:
    try:
        return Backend(_aps(settings), "auto: aps-dm-api is installed")
    except ConfigurationError as error:
        text = f"backend auto: {error}; REST is used instead"
        _log.warning(text)
        return Backend(RestDm(rest_settings(settings)), "auto: aps-dm-api cannot be used", (text,))


def _aps(settings: DmSettings) -> ApsDm:
    from dmioc.dm.aps import ApsDm  # noqa: PLC0415 - likewise

    return ApsDm(aps_settings(settings))


def _needs_rest(settings: DmSettings) -> str:
    """A setting that aps-dm-api could not keep to; empty if there is none."""
    keys = ("ca_file", "fingerprint", "endpoints")
    return next((key for key in keys if getattr(settings, key)), "")


def aps_settings(settings: DmSettings) -> ApsSettings:
    """What the client over aps-dm-api is made of.

    Raises:
        ConfigurationError: certificates are to be verified, which the package does not do, or paths are given: it has its own.
    """
    if key := _needs_rest(settings):
        raise ConfigurationError(
            f'[dm] {key}: backend "aps-dm-api" cannot keep to it; leave it out, or set backend = "rest"'
        )
    from dmioc.dm.aps import ApsSettings  # noqa: PLC0415 - likewise

    variables = read_setup_file(settings.setup_file) if settings.setup_file else {}
    login_file = _login_file(settings)
    return ApsSettings(
        ds_url=settings.ds_url,
        daq_url=settings.daq_url,
        proc_url=settings.proc_url,
        cat_url=settings.cat_url,
        station=settings.station,
        login_file=login_file,
        owner=settings.owner,
        deadline_s=settings.deadline_s,
        methods=settings.methods,
        variables={
            **{name: value for name, value in variables.items() if name.startswith(_DM_PREFIX)},
            "DM_STATION_NAME": settings.station,
            "DM_LOGIN_FILE": str(login_file),
            **{
                f"DM_{service.value}_WEB_SERVICE_URL": getattr(settings, f"{service.value.lower()}_url")
                for service in Service
            },
        },
    )


def rest_settings(settings: DmSettings) -> RestSettings:
    """What the REST client of a station's DM is made of; raises `ConfigurationError`."""
    urls = {service.value: getattr(settings, f"{service.value.lower()}_url") for service in Service}
    return _rest(settings, LocalDm(urls, settings.station, _login_file(settings), settings.owner), BackendName.REST)


def _local_settings(settings: DmSettings, local: LocalDm) -> RestSettings:
    return _rest(settings, local, BackendName.LOCAL)


def _rest(settings: DmSettings, where: LocalDm, name: BackendName) -> RestSettings:
    return RestSettings(
        ds_url=where.urls["DS"],
        daq_url=where.urls["DAQ"],
        proc_url=where.urls["PROC"],
        cat_url=where.urls["CAT"],
        station=where.station,
        login_file=where.login_file,
        owner=where.owner,
        ca_file=settings.ca_file,
        fingerprint=settings.fingerprint,
        verify=settings.verify,
        connect_timeout_s=settings.connect_timeout_s,
        deadline_s=settings.deadline_s,
        endpoints=settings.endpoints,
        backend_name=name.value,
    )


def _login_file(settings: DmSettings) -> Path:
    if settings.login_file is None:
        raise ConfigurationError("[dm] login_file (or DM_LOGIN_FILE) is needed to log in to DM")
    return settings.login_file
