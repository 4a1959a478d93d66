from dm.common.exceptions.dmException import DmException


class ServiceLimitError(DmException):
    CODE = 19
