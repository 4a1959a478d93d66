from dm.common.exceptions.dmException import DmException


class AuthorizationError(DmException):
    CODE = 5
