"""ophyd devices of a station, functions under the names of apstools, and the callback that sends run metadata.

Every public name is listed once, in ``__init__.pyi``, and is imported when it is first used: whoever takes only the
callback, or ``dmioc.devices.aio``, imports no ophyd.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
