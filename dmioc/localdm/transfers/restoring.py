"""What an earlier life of a transfer has left: the states of its files, checked against what is really there."""

from __future__ import annotations

import os
import shutil

from dmioc.localdm.transfers.file_table import Phase
from dmioc.localdm.transfers.keeping import remove_source
from dmioc.localdm.transfers.records import TransferRecord
from dmioc.localdm.transfers.store import SavedFile, TransferStore


def load_states(record: TransferRecord, root: str, store: TransferStore) -> tuple[list[SavedFile], list[str]]:
    """States to take up, and the paths whose jobs were not started; removes temporary files. Blocks on the disk.

    Args:
        record: the transfer.
        root: real path of the tree that it takes files from.
        store: where the states are; those that hold no more are forgotten there.
    """
    shutil.rmtree(record.staging, ignore_errors=True)
    if not record.task.skip_transfer:
        os.makedirs(record.staging)
    files: list[SavedFile] = []
    forgotten: list[str] = []
    for file in store.files(record.number):
        source_there = os.path.lexists(f"{root}/{file.path}")
        lost = file.phase is Phase.STORED and source_there and not _is_in_place(record, file)
        unneeded = file.phase in (Phase.FAILED, Phase.EXISTING) and not source_there
        if lost or unneeded:
            forgotten.append(file.path)
        else:
            files.append(file)
        if record.task.remove_source and file.phase is Phase.STORED and source_there and not lost:
            remove_source(f"{record.directory}/{file.path}", file.size_bytes, file.modified_ns)
    if forgotten:
        store.forget_files(record.number, forgotten)
    return files, [file.path for file in files if file.job == ""]


def _is_in_place(record: TransferRecord, file: SavedFile) -> bool:
    """Whether a stored file is really there: after a power cut its new name may not be."""
    if record.task.skip_transfer:
        return True
    try:
        status = os.stat(f"{record.target}/{file.path}")
    except OSError:
        return False
    return (status.st_size, status.st_mtime_ns) == (file.size_bytes, file.modified_ns)
