"""What the lists of one station need to know beside its catalogue."""

from __future__ import annotations

from dataclasses import dataclass

from dmioc.catalogue.prefix import DEMO_PREFIX

PANELS = "opi/phoebus"
"""Where the Phoebus panels are in a checkout, and below the directory of `dmioc render --out`."""


@dataclass(frozen=True, slots=True)
class Site:
    """A station, for the lists whose readers know no macros.

    Attributes:
        prefix: of every PV, with its last colon; default: that of a gateway without settings.
        panels: directory or URL of the Phoebus panels, for links to them.
    """

    prefix: str = DEMO_PREFIX
    panels: str = PANELS
