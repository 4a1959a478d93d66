from dm.common.exceptions.dmException import DmException


class InternalError(DmException):
    CODE = 2
