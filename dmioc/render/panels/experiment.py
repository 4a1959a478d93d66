"""The experiment in use: choose it, its details, and create one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dmioc.catalogue.rows import LIST_ROWS, USER_ROWS
from dmioc.render.panels.cells import Cells, links
from dmioc.render.panels.placing import SHORT_LABEL_WIDTH, WIDE, frame, panel

if TYPE_CHECKING:
    from dmioc.catalogue import Catalogue
    from dmioc.render.panels.widgets import Panel


def experiment(catalogue: Catalogue) -> Panel:
    """Choose from the station's list by a row's button, by its number or by name."""
    cells = Cells(catalogue, "EXP:")
    choose = frame(
        "Choose",
        cells.lines("List", "Row", LIST_ROWS, "Index"),
        (cells.field("Index", "Number of the row"), cells.field("Name", "or name", share=2.0)),
    )
    details = frame(
        "In use",
        cells.fields("State", "ID", "Type"),
        cells.fields("Created", "StartDate", "EndDate"),
        cells.long("Description", 2),
        cells.field("RootPath"),
        cells.field("StorageDirectory"),
        cells.field("DataDirectory"),
        cells.field("AnalysisDirectory"),
        cells.field("StorageURL"),
        cells.fields("StorageName", "StorageHost", "FileCount", "UserCount"),
        cells.long("Users", USER_ROWS, rows=("UserRow", USER_ROWS)),
    )
    create = frame(
        "Create",
        cells.fields("New:Name", "New:Type", "New:StartDate", "New:EndDate"),
        cells.field("New:Description", label_width=SHORT_LABEL_WIDTH),
        cells.commands("New:Create"),
    )
    return panel(
        "experiment",
        "Experiment",
        (choose, details, create, links(("Experiments", "experiments"))),
        width=WIDE,
    )
