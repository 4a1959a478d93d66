"""What can be set, as frozen models; units stand in the names."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

Port = Annotated[int, Field(ge=0, le=65535)]
Seconds = Annotated[float, Field(gt=0, le=3600)]
Count = Annotated[int, Field(ge=0, le=99)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class BackendName(StrEnum):
    """How DM is reached."""

    AUTO = "auto"
    LOCAL = "local"
    REST = "rest"
    APS = "aps-dm-api"


class GatewaySettings(_Section):
    """``[gateway]``."""

    prefix: str = Field(default="DEMO:DM:", description="prefix of every PV, with its last colon")
    state_directory: Path = Field(
        default=Path("dmioc-state"), description="where setpoints, journal and the local DM are kept"
    )
    log_level: str = Field(
        default="INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$", description="least level of what is logged"
    )
    jobs_listed: int = Field(default=500, ge=1, le=100000, description="how many of the newest jobs are listed")


class SlotSettings(_Section):
    """``[slots]``: how many of each kind."""

    daq: Count = Field(default=2, description="DAQ slots")
    upload: Count = Field(default=2, description="upload slots")
    workflow: Count = Field(default=4, description="workflow slots")
    stream: Count = Field(default=2, description="streaming slots")


class CaSettings(_Section):
    """``[ca]``: the Channel Access server; the EPICS_CAS_* variables and EPICS_CA_SERVER_PORT hold where a key is not set."""

    interfaces: tuple[str, ...] = Field(default=(), description="addresses to serve on; none given: 127.0.0.1 only")
    beacon_addresses: tuple[str, ...] = Field(default=(), description="where beacons go; none given: the interfaces")
    port: Port = Field(default=0, description="port for searches and connections; 0: 5064")


class PvaSettings(_Section):
    """``[pva]``: the PVAccess server; the EPICS_PVAS_* and EPICS_PVA_* variables hold where a key is not set."""

    interfaces: tuple[str, ...] = Field(default=(), description="addresses to serve on; none given: 127.0.0.1 only")
    beacon_addresses: tuple[str, ...] = Field(
        default=(), description="where beacons go; none given: the interfaces, or the broadcast addresses of 0.0.0.0"
    )
    port: Port = Field(default=0, description="TCP port for connections; 0: 5075")
    broadcast_port: Port = Field(default=0, description="UDP port for searches; 0: 5076")


class DmSettings(_Section):
    """``[dm]``: the DM to watch."""

    backend: BackendName = Field(
        default=BackendName.AUTO,
        description="auto: local if no DM is configured, else aps-dm-api if it is installed, else rest",
    )
    setup_file: Path | None = Field(
        default=None, description="DM's dm.setup.sh; its export lines stand in for DM_* variables"
    )
    station: str = Field(default="", description="station name; none given: DM_STATION_NAME")
    owner: str = Field(default="", description="owner of jobs and workflows; none given: the user of the login file")
    login_file: Path | None = Field(default=None, description="file with user|password; none given: DM_LOGIN_FILE")
    ds_url: str = Field(default="", description="data storage service; none given: DM_DS_WEB_SERVICE_URL")
    daq_url: str = Field(default="", description="data acquisition service; none given: DM_DAQ_WEB_SERVICE_URL")
    proc_url: str = Field(default="", description="processing service; none given: DM_PROC_WEB_SERVICE_URL")
    cat_url: str = Field(default="", description="catalog service; none given: DM_CAT_WEB_SERVICE_URL")
    ca_file: Path | None = Field(default=None, description="certificates to verify DM's against")
    fingerprint: str = Field(default="", description="SHA-256 of the one certificate to accept")
    verify: bool = Field(default=True, description="false: take any certificate; shown on Message")
    connect_timeout_s: Seconds = Field(default=3.0, description="longest time to connect")
    deadline_s: Seconds = Field(default=10.0, description="longest time of one whole request")
    endpoints: dict[str, str] = Field(
        default_factory=dict[str, str], description="corrected endpoints: name = 'VERB /path/{e:name}'"
    )
    methods: dict[str, str] = Field(
        default_factory=dict[str, str], description="corrected methods of aps-dm-api: name = 'Class.method'"
    )


class LocalSettings(_Section):
    """``[local]``: the embedded DM."""

    directory: Path | None = Field(
        default=None, description="where it keeps records and storage; none given: state directory/localdm"
    )
    port_base: Port = Field(default=0, description="first of four ports; 0: free ones")
    station: str = Field(default="DEMO", description="its station name")
    faults: Path | None = Field(
        default=None, description="file of faults that it makes, for tests: dmioc localdm --help"
    )


class AccessSettings(_Section):
    """``[access]``: who may put, and what DAQs and uploads may read."""

    file: Path | None = Field(
        default=None, description="EPICS access security file; none given: everybody reads, this host writes"
    )
    daq_roots: tuple[str, ...] = Field(default=(), description="directories that DAQs may watch; none given: any")
    upload_roots: tuple[str, ...] = Field(default=(), description="directories that uploads may read; none given: any")


class AuditForm(StrEnum):
    """How a put is written down."""

    CAPUTLOG = "caputlog"
    JSON = "json"
    BOTH = "both"


class AuditSettings(_Section):
    """``[audit]``: every put on record."""

    enabled: bool = Field(default=True, description="false: puts are not put on record")
    file: Path | None = Field(default=None, description="its file; none given: audit.log in the state directory")
    format: AuditForm = Field(
        default=AuditForm.CAPUTLOG,
        description="caputlog, json, or both: JSON then in a file of its own, ending in .json",
    )
    size_bytes: int = Field(default=10_000_000, ge=10_000, description="a file that has grown so large is put aside")
    count: int = Field(default=10, ge=1, le=1000, description="how many files are kept, the newest included")
    burst_s: float = Field(
        default=5.0, ge=0.0, le=60.0, description="puts to one PV within so short a time are one line; 0: each its own"
    )


class AliasSettings(_Section):
    """One entry of ``[aliases]``; a text alone is the PV."""

    pv: str = Field(description="the PV that it stands for, with or without prefix, e.g. EXP:Name")
    type: str = Field(
        default="",
        description="string: a text as a register of at most 39 bytes; none given: the PV's own type",
    )


def _alias_table(entry: object) -> object:
    """The short form of an entry as the long one."""
    if isinstance(entry, str):
        return {"pv": entry}
    if isinstance(entry, dict | AliasSettings):
        return cast("object", entry)
    raise ValueError('the name of a PV is needed, or { pv = "EXP:Name", type = "string" }')


Aliases = dict[str, Annotated[AliasSettings, BeforeValidator(_alias_table, json_schema_input_type=str | AliasSettings)]]


class Settings(_Section):
    """Everything that can be set."""

    gateway: GatewaySettings = GatewaySettings()
    slots: SlotSettings = SlotSettings()
    ca: CaSettings = CaSettings()
    pva: PvaSettings = PvaSettings()
    dm: DmSettings = DmSettings()
    local: LocalSettings = LocalSettings()
    access: AccessSettings = AccessSettings()
    audit: AuditSettings = AuditSettings()
    aliases: Aliases = Field(
        default_factory=dict[str, AliasSettings],
        description='second names of PVs, whole: "8ideSoft:StrReg4" = "EXP:Name" or { pv = "EXP:Name", type = "string" }',
    )
