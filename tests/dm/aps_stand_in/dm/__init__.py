"""A stand-in for ``aps-dm-api``: its documented names, objects, exceptions and bad manners (dm-protocol.md section 10).

It carries the documented calls to a real localdm over HTTP. What it is to do wrong stands in variables:

* ``APS_STAND_IN_VERSION``: its version;
* ``APS_STAND_IN_WITHOUT``: names of classes and ``Class.method`` that it lacks;
* ``APS_STAND_IN_TOP``: ``empty`` for classes in their modules only;
* ``APS_STAND_IN_IMPORT``: ``fails`` or ``exits``;
* ``APS_STAND_IN_LOGGING``: ``silences`` for switching off the logging of everybody else too, ``late`` and ``crude`` for doing
  what it does to the root logger at each request and not at import, by its methods or by its list of handlers;
* ``APS_STAND_IN_LOGIN``: ``once`` for leaving it to the caller when DM has forgotten the session;
* ``APS_STAND_IN_FAULTS``: a JSON file, read at each call: method -> ``hang``, ``answer: JSON`` or ``ExceptionClass: text``.
"""

from __future__ import annotations

import os
import sys

from dm.cat_web_service.api.datasetCatApi import DatasetCatApi
from dm.cat_web_service.api.fileCatApi import FileCatApi
from dm.common.exceptions.authorizationError import AuthorizationError
from dm.common.exceptions.configurationError import ConfigurationError
from dm.common.exceptions.dmException import DmException
from dm.common.exceptions.invalidArgument import InvalidArgument
from dm.common.exceptions.invalidRequest import InvalidRequest
from dm.common.exceptions.objectAlreadyExists import ObjectAlreadyExists
from dm.common.exceptions.objectNotFound import ObjectNotFound
from dm.common.utility.loggingManager import LoggingManager
from dm.daq_web_service.api.experimentDaqApi import ExperimentDaqApi
from dm.ds_web_service.api.experimentDsApi import ExperimentDsApi
from dm.ds_web_service.api.fileDsApi import FileDsApi
from dm.proc_web_service.api.workflowProcApi import WorkflowProcApi

__version__ = os.environ.get("APS_STAND_IN_VERSION", "10.1.0")
ENVIRONMENT_AT_IMPORT = {name: value for name, value in os.environ.items() if name.startswith("DM_")}
if os.environ.get("APS_STAND_IN_LOGGING") not in ("late", "crude"):
    LoggingManager.getInstance().configureHandlers()

if os.environ.get("APS_STAND_IN_IMPORT") == "fails":
    raise ImportError("libsomething.so: cannot open shared object file")
if os.environ.get("APS_STAND_IN_IMPORT") == "exits":
    sys.exit("no licence")
for _name in os.environ.get("APS_STAND_IN_WITHOUT", "").split():
    _class, _, _method = _name.partition(".")
    if _method:
        delattr(globals()[_class], _method)
    else:
        delattr(sys.modules[globals().pop(_class).__module__], _class)
if os.environ.get("APS_STAND_IN_TOP") == "empty":
    for _name in [_name for _name in globals() if _name.endswith("Api")]:
        del globals()[_name]
