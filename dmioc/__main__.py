"""``python -m dmioc``."""

import sys

from dmioc.cli import main

if __name__ == "__main__":
    sys.exit(main())
