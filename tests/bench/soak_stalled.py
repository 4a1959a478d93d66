"""A client that monitors every PV, to be stopped by SIGSTOP: ``python soak_stalled.py ca|pva HOST:PORT PREFIX``."""

from __future__ import annotations

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
import soak_ca
import soak_pva
from soak_names import scalar_names
from soak_process import serve

if __name__ == "__main__":
    everything = scalar_names()
    module = {"ca": soak_ca, "pva": soak_pva}[sys.argv[1]]
    clients = module.Clients(sys.argv[2], sys.argv[3], 1, len(everything), everything)
    serve({}, getattr(clients, "drain", lambda: None), soak_ca.PERIOD_S)
    os._exit(0)  # p4p's threads end the process with an abort when Python ends before them
