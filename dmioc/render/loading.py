"""The part of ``db/README.md`` about the files beside it: what each is for, and the one line that loads it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dmioc.render.alarms import alarm_config_name
from dmioc.render.autosave import STATION_REQUEST
from dmioc.render.markdown import markdown_table

if TYPE_CHECKING:
    from dmioc.render.site import Site

_HEAD = ("file", "what for", "the line that loads it")


def files_section(site: Site) -> str:
    """The Markdown text."""
    return _SECTION.format(table=markdown_table([_HEAD, *_rows(site)]), prefix=site.prefix)


def _rows(site: Site) -> list[tuple[str, str, str]]:
    macros = f'"P={site.prefix}"'
    return [
        (
            "`dmioc.db`",
            "every scalar PV as a record, for tools that read .db and a softIoc to draw panels against",
            f'`python -m epicscorelibs.ioc -m P={site.prefix} -d dmioc.db`, `dbLoadRecords("dmioc.db", {macros})`',
        ),
        (
            "`dmioc.substitutions`, `dmioc_*.template`",
            "the same records; another slot is one more line",
            f'`dbLoadTemplate("dmioc.substitutions", {macros})`',
        ),
        (
            f"`{STATION_REQUEST}`, `dmioc_*_settings.req`",
            "the saved setpoints, for synApps' autosave",
            f'`create_monitor_set("{STATION_REQUEST}", 30, {macros})`',
        ),
        (
            "",
            "and for pyepics: a copy of a station to put back",
            f'`file "{STATION_REQUEST}", P={site.prefix}` in a file for `epics.autosave.save_pvs`',
        ),
        (
            "`dmioc_archive.json`",
            "what to archive and how, for the Archiver Appliance",
            "`curl -H 'Content-Type: application/json' --data @dmioc_archive.json http://HOST:17665/mgmt/bpl/archivePV`",
        ),
        ("`dmioc_archive.txt`", "the names alone", "paste it into the appliance's page, or any other archiver's"),
        (
            "`dmioc_alarms.xml`",
            "alarm tree with guidance and links to the panels, for Phoebus' alarm server",
            f"`alarm-server -config {alarm_config_name(site.prefix)} -import dmioc_alarms.xml`",
        ),
        (
            "`dmioc_saveset.csv`",
            "the saved setpoints with their readbacks, for Phoebus' save-and-restore",
            "in its tree, on a folder: import a configuration from CSV",
        ),
    ]


_SECTION = """\
## The files here

{table}
The lines are for this folder; from elsewhere an IOC's shell needs `epicsEnvSet("EPICS_DB_INCLUDE_PATH", "db")` and
`set_requestfile_path("db")` before. `.db`, `.template`, `.substitutions` and `.req` take the prefix as macro `P`. The
readers of the others know no macros: those files are for `{prefix}`. `dmioc render` makes all of them for a station of
your own, with its prefix and its numbers of slots, in a directory of yours:

```
dmioc render --config dmioc.toml --out DIR
dmioc render --prefix 25IDC:DM: --daqs 1 --workflows 8 --out DIR
```

**Archived** at every change: the states, counts, percentages and short strings that the gateway publishes, `JobID` and
`ID` among them, so that the history tells which job was where. Once a minute: the numbers of its own and the services'
health. Not: texts, setpoints, commands and running clocks; every put is in the audit file.

**Alarms**: every PV with an alarm rule. What comes from a DM service alarms only while that service answers, so that its
loss is one alarm; what has failed stays until somebody acknowledges it. Links to panels lead into the directory of
`--out`, or to `--panels URL`; in the repository they are relative to it.

**Info tags** in the records: `Q:form` makes QSRV 2 serve texts as strings, `autosaveFields` is read by `makeAutosaveFiles`,
`archive` goes through RecCaster to ChannelFinder, whose Archiver Appliance processor asks for it (`archiver`, there the
name of an appliance, is left to the site). They work where an IOC loads the records; `dmioc run` is no such IOC.
"""
