from dm.common.exceptions.dmException import DmException


class InvalidObjectState(DmException):
    CODE = 16
