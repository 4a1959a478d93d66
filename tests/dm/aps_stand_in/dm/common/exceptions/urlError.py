from dm.common.exceptions.dmException import DmException


class UrlError(DmException):
    CODE = 8
