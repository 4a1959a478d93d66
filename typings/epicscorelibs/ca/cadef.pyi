ECA_DISCONN: int

class CAException(Exception):
    status: int

class Disconnected(Exception): ...
