from dm.common.exceptions.dmException import DmException


class ObjectNotFound(DmException):
    CODE = 14
