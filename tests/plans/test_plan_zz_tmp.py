import os
from waiting import wait_until
def test_texts(gateway, ca):
    from dmioc.devices import DMStation
    from dmioc.devices.monitored import MonitoredSignal
    if os.environ.get("OLD"):
        def old(self, pvname, pv, cb):
            with self._metadata_lock:
                if self._monitors[pvname] is None:
                    self._monitors[pvname] = pv.add_callback(cb, run_now=pv.connected, with_ctrlvars=False)
        MonitoredSignal._add_callback = old
    bad=0
    for i in range(5):
        d=DMStation(gateway.prefix,name="dm"); d.wait_for_connection(timeout=25)
        wrong=[(s.pvname,s.get()) for s in (d.experiment.name_, d.experiment.description, d.experiment.storage_url, d.experiment.storage_directory, d.experiment.data_directory, d.message, d.experiment.type,d.experiment.users) if len(str(s.get()))<2]
        print("R", i, wrong); bad+=len(wrong)
        d.destroy()
    assert not bad
