from dm.common.exceptions.dmException import DmException


class FileProcessingError(DmException):
    CODE = 17
