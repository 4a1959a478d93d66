from dm.common.exceptions.dmException import DmException


class InvalidRequest(DmException):
    CODE = 11
