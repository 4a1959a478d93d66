from dm.common.exceptions.dmException import DmException


class InvalidSession(DmException):
    CODE = 12
