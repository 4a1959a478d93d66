"""A real, small DM on one machine: the same wire protocol, real copies, real processes. Shares no code with ``dm``."""
