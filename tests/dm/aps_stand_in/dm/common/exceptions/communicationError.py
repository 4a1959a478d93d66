from dm.common.exceptions.dmException import DmException


class CommunicationError(DmException):
    CODE = 3
