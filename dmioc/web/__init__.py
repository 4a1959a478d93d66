"""``dmioc web``: the overview and the tables of stations in a browser, live and read-only, over PVAccess (issue E.6)."""

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8787
"""Where the page is when nothing else is asked for."""
