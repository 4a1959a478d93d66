from dm.common.exceptions.dmException import DmException


class DbError(DmException):
    CODE = 7
