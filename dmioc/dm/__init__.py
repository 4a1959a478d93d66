"""Clients of DM; each implements `dmioc.engine.ports.DmBackend`."""
