from dm.common.exceptions.dmException import DmException


class TaskTimeoutError(DmException):
    CODE = 22
