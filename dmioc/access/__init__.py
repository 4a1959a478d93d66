"""Who may put: one EPICS access security file for every protocol, checked here and decided by ``p4p.asLib``.

The file is read by a parser of our own, which knows the lines, and refused in words for what p4p would take with a warning or
read otherwise than EPICS base (``epics-notes.md §5``); p4p's engine then gets it with addresses in place of host names.
"""

from dmioc.access.explain import explained, question_about
from dmioc.access.guards import load_guards
from dmioc.access.rules import AcfRules, load_rules

__all__ = ["AcfRules", "explained", "load_guards", "load_rules", "question_about"]
