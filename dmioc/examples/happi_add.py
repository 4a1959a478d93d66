"""Add a DM gateway to an instrument's happi database: its station and a workflow connector.

    python happi_add.py HAPPI_JSON PREFIX

The database is made if it does not exist. What is added is what stands in ``happi.json`` beside this file, with your prefix.
"""

import json
import sys
from pathlib import Path

import happi


def add(database: Path, prefix: str) -> None:
    """Add both entries with the prefix, e.g. ``25IDC:DM:``; raises happi's DuplicateError for a name that is there."""
    client = happi.Client(path=str(database), initialize=not database.exists())
    entries = json.loads(Path(__file__).with_name("happi.json").read_text("utf-8"))
    for entry in entries.values():
        del entry["_id"]
        item = client.create_item(entry.pop("type"), **{**entry, "prefix": prefix})
        item.save()


if __name__ == "__main__":
    add(Path(sys.argv[1]), sys.argv[2])
