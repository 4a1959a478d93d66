from dm.common.exceptions.dmException import DmException


class ConfigurationError(DmException):
    CODE = 4
