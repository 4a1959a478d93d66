from dm.common.exceptions.dmException import DmException


class TimeoutError(DmException):
    CODE = 9
