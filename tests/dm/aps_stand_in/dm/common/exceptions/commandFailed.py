from dm.common.exceptions.dmException import DmException


class CommandFailed(DmException):
    CODE = 13
