from dm.common.exceptions.dmException import DmException


class InvalidArgument(DmException):
    CODE = 10
