from dm.common.exceptions.dmException import DmException


class ObjectAlreadyExists(DmException):
    CODE = 15
