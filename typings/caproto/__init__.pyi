# The parts of caproto 1.3.0 that dmioc.serve.ca uses; caproto itself is not annotated.
from collections.abc import Mapping
from ctypes import BigEndianStructure
from enum import Enum, IntEnum, IntFlag

class ChannelType(IntEnum):
    STRING = 0
    INT = 1
    FLOAT = 2
    ENUM = 3
    CHAR = 4
    LONG = 5
    DOUBLE = 6
    STSACK_STRING = 37
    CLASS_NAME = 38

class AccessRights(IntFlag):
    NO_ACCESS = 0
    READ = 1
    WRITE = 2

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

DBR_TYPES: Mapping[int, type[BigEndianStructure]]

def get_environment_variables() -> dict[str, str | int | float]: ...
