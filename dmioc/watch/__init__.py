"""The station in a terminal: a client of the gateway's PVs over PVAccess or Channel Access, which writes nothing."""
