"""The C softIoc of EPICS base with QSRV 2: does each line of its standard input as its shell would, until the end."""

from __future__ import annotations

import ctypes
import os
import sys

import pvxslibs.path
from epicscorelibs import ioc
from setuptools_dso import find_dso


def main() -> None:
    """Load what every IOC knows, then do what the lines say."""
    os.environ["PVXS_QSRV_ENABLE"] = "YES"
    ctypes.CDLL(find_dso("pvxslibs.lib.pvxsIoc"), ctypes.RTLD_GLOBAL)
    ioc.iocshRegisterCommon()
    for name, directory in (("base.dbd", ioc.DEFAULT_DBD_PATH), ("pvxsIoc.dbd", pvxslibs.path.dbd_path)):
        if ioc.dbLoadDatabase(name.encode(), directory.encode(), None):
            sys.exit(f"cannot load {name}")
    ioc.registerRecordDeviceDriver(ioc.pdbbase)
    for line in sys.stdin:
        print(line, end="", flush=True)
        ioc.ioc(line.strip())


if __name__ == "__main__":
    main()
