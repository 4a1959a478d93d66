# The parts of caproto 1.3.0 that dmioc.serve.ca uses; caproto itself is not annotated.
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from ctypes import BigEndianStructure
from enum import Enum, IntEnum, IntFlag
from logging import Logger
from typing import Any, ClassVar

# Constants

class ChannelType(IntEnum):
    STRING = 0
    INT = 1
    FLOAT = 2
    ENUM = 3
    CHAR = 4
    LONG = 5
    DOUBLE = 6
    STS_STRING = 7
    GR_STRING = 21
    TIME_STRING = 14
    TIME_CHAR = 18
    TIME_LONG = 19
    TIME_DOUBLE = 20
    CTRL_STRING = 28
    CTRL_DOUBLE = 34
    STSACK_STRING = 37
    CLASS_NAME = 38

class AccessRights(IntFlag):
    NO_ACCESS = 0
    READ = 1
    WRITE = 2

class AlarmSeverity(IntEnum): ...
class AlarmStatus(IntEnum): ...

class SubscriptionType(IntFlag):
    DBE_VALUE = 1
    DBE_LOG = 2
    DBE_ALARM = 4
    DBE_PROPERTY = 8

class _StatusCode:
    code_with_severity: int
    description: str

class CAStatus(Enum):
    ECA_NORMAL = ...
    ECA_TOLARGE = ...
    ECA_BADTYPE = ...
    ECA_INTERNAL = ...
    ECA_PUTFAIL = ...
    ECA_BADCOUNT = ...
    ECA_NORDACCESS = ...
    ECA_NOWTACCESS = ...
    ECA_NOCONVERT = ...
    @property
    def value(self) -> _StatusCode: ...

class Role(Enum): ...

CLIENT: Role
SERVER: Role
DEFAULT_PROTOCOL_VERSION: int
EPICS2UNIX_EPOCH: float
MAX_ENUM_STATES: int
MAX_STRING_SIZE: int
MAX_UNITS_SIZE: int

DBR_TYPES: Mapping[int, type[BigEndianStructure]]

def native_type(ftype: int) -> ChannelType: ...
def get_environment_variables() -> dict[str, str | int | float]: ...

class CaprotoError(Exception): ...
class CaprotoKeyError(KeyError, CaprotoError): ...
class RemoteProtocolError(CaprotoError): ...

# Values

class TimeStamp(BigEndianStructure):
    def __init__(self, secondsSinceEpoch: int, nanoSeconds: int) -> None: ...

class _Array:
    def tobytes(self) -> bytes: ...
    def __len__(self) -> int: ...
    def __getitem__(self, index: int) -> Any: ...

class DbrStringArray(_Array):
    def __init__(self, strings: Sequence[bytes]) -> None: ...

class _Backend:
    python_to_epics: Callable[[int, Sequence[int | float]], _Array]

backend: _Backend

class ChannelAlarm:
    _data: dict[str, Any]
    def __init__(self) -> None: ...

class ChannelData:
    _data: dict[str, Any]
    _content: dict[Any, Any]
    data_type: ChannelType
    reported_record_type: str
    def __init__(
        self,
        *,
        alarm: ChannelAlarm | None = None,
        value: Any = None,
        timestamp: float | None = None,
        max_length: int | None = None,
        string_encoding: str | None = "latin-1",
        reported_record_type: str = "caproto",
        **more: Any,
    ) -> None: ...
    @property
    def value(self) -> Any: ...
    @property
    def alarm(self) -> ChannelAlarm: ...
    @property
    def max_length(self) -> int: ...
    async def _read(self, data_type: int) -> tuple[BigEndianStructure | bytes, Any]: ...
    def _read_metadata(self, dbr_metadata: BigEndianStructure) -> None: ...
    def check_access(self, hostname: str, username: str) -> AccessRights: ...
    @staticmethod
    def _validate_enum_strings(enum_strings: Sequence[str]) -> tuple[str, ...]: ...

class ChannelNumeric(ChannelData): ...
class ChannelByte(ChannelNumeric): ...
class ChannelString(ChannelData): ...
class ChannelEnum(ChannelData): ...
class ChannelShort(ChannelNumeric): ...
class ChannelInteger(ChannelNumeric): ...
class ChannelDouble(ChannelNumeric): ...

# Messages

class _Header(BigEndianStructure):
    command: int
    payload_size: int
    data_type: int
    data_count: int
    parameter1: int
    parameter2: int

class Message:
    ID: ClassVar[int | None]
    header: _Header
    buffers: tuple[Any, ...]
    def __len__(self) -> int: ...
    def __bytes__(self) -> bytes: ...

class VersionRequest(Message):
    def __init__(self, priority: int, version: int) -> None: ...

class VersionResponse(Message):
    def __init__(self, version: int) -> None: ...

class SearchRequest(Message):
    cid: int
    name: str
    reply: int
    def __init__(self, name: str, cid: int, version: int, reply: int = ...) -> None: ...

class SearchResponse(Message):
    cid: int
    port: int
    def __init__(self, port: int, ip: str | None, cid: int, version: int) -> None: ...

class NotFoundResponse(Message): ...

class Beacon(Message):
    def __init__(self, version: int, server_port: int, beacon_id: int, address: str) -> None: ...

class HostNameRequest(Message): ...

class ClientNameRequest(Message):
    name: str

class CreateChanRequest(Message):
    cid: int
    name: str

class CreateChanResponse(Message):
    cid: int
    sid: int

class CreateChFailResponse(Message):
    cid: int

class AccessRightsResponse(Message):
    def __init__(self, cid: int, access_rights: int) -> None: ...

class ClearChannelRequest(Message):
    sid: int
    cid: int

class ClearChannelResponse(Message):
    sid: int
    cid: int
    def __init__(self, sid: int, cid: int) -> None: ...

class ReadRequest(Message): ...

class ReadResponse(Message):
    def __init__(
        self, data: bytes, data_type: int, data_count: int, sid: int, ioid: int, *, metadata: bytes | None = None
    ) -> None: ...

class ReadNotifyRequest(Message): ...

class ReadNotifyResponse(Message):
    def __init__(
        self, data: bytes, data_type: int, data_count: int, status: int, ioid: int, *, metadata: bytes | None = None
    ) -> None: ...

class WriteRequest(Message):
    @property
    def data(self) -> _Array: ...

class WriteNotifyRequest(Message):
    @property
    def data(self) -> _Array: ...

class WriteNotifyResponse(Message):
    status: Any
    def __init__(self, data_type: int, data_count: int, status: int, ioid: int) -> None: ...

class EventAddRequest(Message):
    mask: int

class EventAddResponse(Message):
    def __init__(
        self,
        data: bytes,
        data_type: int,
        data_count: int,
        status: int,
        subscriptionid: int,
        *,
        metadata: bytes | None = None,
    ) -> None: ...

class EventCancelRequest(Message): ...

class EventCancelResponse(Message):
    def __init__(self, data_type: int, sid: int, subscriptionid: int, data_count: int) -> None: ...

class EventsOffRequest(Message): ...
class EventsOnRequest(Message): ...
class ReadSyncRequest(Message): ...
class EchoRequest(Message): ...
class EchoResponse(Message): ...

class ErrorResponse(Message):
    def __init__(self, original_request: Message, cid: int, status: CAStatus | int, error_message: str) -> None: ...

# Connections without I/O

class ServerChannel:
    name: str
    cid: int
    sid: int
    def __init__(self, name: str, circuit: VirtualCircuit, cid: int) -> None: ...

class VirtualCircuit:
    our_role: Role
    their_role: Role
    address: tuple[str, int]
    our_address: Any
    channels: dict[int, ServerChannel]
    channels_sid: dict[int, ServerChannel]
    log: Logger
    _data: bytearray
    def __init__(self, our_role: Role, address: tuple[str, int], priority: int | None) -> None: ...
    def send(self, *commands: Message) -> list[Any]: ...
    def recv(self, *buffers: bytes) -> tuple[deque[Message], int]: ...
    def process_command(self, command: Message) -> None: ...
    def _process_command(self, role: Role, command: Message) -> None: ...

class Broadcaster:
    def __init__(self, our_role: Role) -> None: ...
    def send(self, *commands: Message) -> bytes: ...
    def recv(self, byteslike: bytes, address: tuple[Any, ...]) -> list[Message]: ...
