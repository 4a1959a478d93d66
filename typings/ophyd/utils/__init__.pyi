from ophyd.utils.errors import DisconnectedError as DisconnectedError
from ophyd.utils.errors import LimitError as LimitError
from ophyd.utils.errors import ReadOnlyError as ReadOnlyError
