from dm.common.exceptions.dmException import DmException


class AuthenticationError(DmException):
    CODE = 6
