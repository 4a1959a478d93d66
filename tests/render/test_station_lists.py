"""The lists for the tools around an IOC, each compared with the catalogue in both directions and read as its reader does."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import pytest
from lxml import etree  # pyright: ignore[reportAttributeAccessIssue]  # it is compiled and brings no stubs

from dmioc.catalogue import PV, Kind, Slots, station_catalogue
from dmioc.render import Site, generated_files
from dmioc.render.alarm_guidance import GUIDANCE
from dmioc.render.alarms import alarm_config_name, alarm_tree, guidance_key, has_alarm
from dmioc.render.archiving import sampling

CATALOGUE = station_catalogue(Slots(daq=1, upload=1, workflow=3, stream=2))
SITE = Site("25IDC:DM:", "file:///APSshare/dmioc/opi/phoebus")
FILES = generated_files(CATALOGUE, SITE)


def text(name: str) -> str:
    return FILES[f"db/{name}"].decode()


def full_names(pvs: Iterator[PV]) -> list[str]:
    return [SITE.prefix + pv.name for pv in pvs]


SAVED = full_names(pv for pv in CATALOGUE if pv.saved)


# autosave


def requested(name: str, macros: dict[str, str]) -> Iterator[str]:
    """The names of a request file, as synApps' ``readReqFile`` finds them: comments, names, and ``file`` lines."""
    whole = text(name)
    for macro, value in macros.items():
        whole = whole.replace(f"$({macro})", value)
    for line in whole.splitlines():
        if line.startswith("#"):
            continue
        included = re.fullmatch(r'file "(\w+\.req)", (\w+=[^,]+(?:,\w+=[^,]+)*)', line)
        if included:
            yield from requested(included[1], dict(pair.split("=", 1) for pair in included[2].split(",")))
        else:
            yield line


def test_autosave_request_is_the_saved_setpoints() -> None:
    assert sorted(requested("dmioc_settings.req", {"P": SITE.prefix})) == sorted(SAVED)
    assert len(SAVED) > 80


# archiver


def test_archive_lists_are_what_the_rule_says_and_agree() -> None:
    wanted = {SITE.prefix + pv.name: how for pv in CATALOGUE if (how := sampling(pv))}
    assert text("dmioc_archive.txt").splitlines() == list(wanted)
    request = json.loads(text("dmioc_archive.json"))
    assert [entry["pv"] for entry in request] == list(wanted)
    for entry in request:
        # The keys of the Archiver Appliance's archivePV, all of them texts.
        assert set(entry) == {"pv", "samplingmethod", "samplingperiod"}
        how = wanted[entry["pv"]]
        assert entry["samplingmethod"] == how.method.upper() in {"MONITOR", "SCAN"}
        assert float(entry["samplingperiod"]) == how.period_s > 0
        assert f'info(archive, "{how.method}@{how.period_s}")' in record_of(entry["pv"])


def record_of(full_name: str) -> str:
    name = full_name.removeprefix(SITE.prefix)
    return text("dmioc.db").split(f'"$(P){name}"', 1)[1].split("\n}", 1)[0]


@pytest.mark.parametrize(
    ("name", "method"),
    [
        ("State", "monitor"), ("PROC:State", "monitor"), ("CmdStatus", "monitor"), ("DAQ:Active", "monitor"),
        ("DAQ1:Status", "monitor"), ("DAQ1:FilesDone", "monitor"), ("DAQ1:Percent", "monitor"), ("DAQ1:ID", "monitor"),
        ("WF1:Stage", "monitor"), ("WF1:JobID", "monitor"), ("STR1:Missed", "monitor"), ("JOB:Running", "monitor"),
        ("Heartbeat", "scan"), ("Memory", "scan"), ("DS:Latency", "scan"), ("DS:Age", "scan"),
        ("WF1:Report", ""), ("WF1:StdOut", ""), ("MD:JSON", ""), ("EXP:Name", ""), ("Message", ""),
        ("WF1:RunTime", ""), ("STR1:HeartbeatAge", ""), ("PollPeriod", ""), ("WF1:Run", ""), ("JOB:List", ""), ("RPC", ""),
    ],
)  # fmt: skip
def test_what_is_archived_and_how(name: str, method: str) -> None:
    how = sampling(CATALOGUE[name])
    assert (how.method if how else "") == method


def test_no_text_or_setpoint_is_archived() -> None:
    kept = [pv for pv in CATALOGUE if sampling(pv)]
    assert len(kept) > 100
    assert [pv.name for pv in kept if pv.kind in (Kind.TEXT, Kind.LINES) or pv.writable or not pv.kind.is_scalar] == []


# alarm tree

TITLE_DETAILS = ("guidance", "display", "command")
PV_ELEMENTS = ("description", "enabled", "latching", "annunciating", "delay", "count", "filter")
"""What Phoebus' XmlModelReader takes; it passes over anything else without a word, so here nothing else may stand."""


def parsed_tree() -> Element:
    return ElementTree.fromstring(text("dmioc_alarms.xml"))


def alarm_pvs(node: Element | None = None) -> dict[str, Element]:
    return {str(pv.get("name")): pv for pv in (parsed_tree() if node is None else node).iter("pv")}


def check_component(node: Element) -> None:
    assert set(node.attrib) <= {"name", "id"} and node.get("name"), node.attrib
    assert "/" not in str(node.get("name"))  # it separates the parts of a path
    names = [child.get("name") for child in node if child.tag in ("component", "pv")]
    assert len(names) == len(set(names)) > 0
    for child in node:
        if child.tag == "component":
            check_component(child)
        elif child.tag == "pv":
            check_pv(child)
        else:
            check_title_details(child)


def check_pv(node: Element) -> None:
    assert set(node.attrib) == {"name"} and len(node.attrib["name"]) > 0
    simple = [child for child in node if child.tag not in TITLE_DETAILS]
    tags = [child.tag for child in simple]
    assert len(tags) == len(set(tags)) and set(tags) <= set(PV_ELEMENTS), tags
    assert set(tags) >= {"description", "enabled", "latching", "annunciating"}
    values = {child.tag: child.text or "" for child in simple}
    assert values["description"].strip() and values["description"][0] not in "*!"
    assert {values["enabled"], values["latching"], values["annunciating"]} <= {"true", "false"}
    assert int(values.get("delay", "0")) >= 0
    assert all(len(child) == 0 for child in simple)
    for child in node:
        if child.tag in TITLE_DETAILS:
            check_title_details(child)


def check_title_details(node: Element) -> None:
    assert node.tag in TITLE_DETAILS and node.attrib == {}, node.tag
    assert [child.tag for child in node] == ["title", "details"]
    assert all((child.text or "").strip() for child in node)


def test_alarm_tree_has_the_structure_that_the_alarm_server_reads() -> None:
    tree = parsed_tree()
    assert (tree.tag, set(tree.attrib)) == ("config", {"name"})
    assert re.fullmatch(r"[A-Za-z0-9_]+", str(tree.get("name")))  # a topic of Kafka
    [station] = tree
    check_component(station)
    assert [node.get("id") for node in tree.iter("component")].count("dmioc") == 1  # for XInclude
    assert "<!ATTLIST component id ID #IMPLIED>" in text("dmioc_alarms.xml")


def test_alarm_tree_can_be_included_in_another(tmp_path: Path) -> None:
    """As its comment says, by the XInclude of libxml2."""
    (tmp_path / "dmioc_alarms.xml").write_bytes(FILES["db/dmioc_alarms.xml"])
    [line] = re.findall("<xi:include .*/>", text("dmioc_alarms.xml"))
    beamline = tmp_path / "beamline.xml"
    beamline.write_text(f'<config name="25ID"><component name="Optics"/>{line}</config>', "utf-8")
    whole = etree.parse(str(beamline))
    whole.xinclude()
    assert [node.get("name") for node in whole.getroot()] == ["Optics", "DM gateway 25IDC_DM"]
    assert len(whole.findall(".//pv")) == len(alarm_pvs())


def test_alarm_tree_has_every_pv_with_an_alarm_and_no_other() -> None:
    wanted = [f"ca://{SITE.prefix}{pv.name}" for pv in CATALOGUE if has_alarm(pv)]
    assert sorted(alarm_pvs()) == sorted(wanted)
    assert [pv.name for pv in CATALOGUE if pv.alarm and not has_alarm(pv)] == []
    assert {"State", "WF3:Status", "DAQ1:FilesFailed", "STR2:Missed", "MD:Status"} <= {
        pv.name for pv in CATALOGUE if has_alarm(pv)
    }


def test_every_alarm_says_what_to_do_and_no_guidance_is_for_nothing() -> None:
    assert {guidance_key(pv) for pv in CATALOGUE if has_alarm(pv)} == set(GUIDANCE)
    for pv in alarm_pvs().values():
        titles = [title.text for title in pv.findall("guidance/title")]
        assert titles == ["What it means", "What to do"]


def test_filters_name_the_state_of_the_service_that_the_value_comes_from() -> None:
    for name, node in alarm_pvs().items():
        pv = CATALOGUE[name.removeprefix(f"ca://{SITE.prefix}")]
        found = node.findtext("filter")
        if pv.service is None:
            assert found is None, name
            continue
        state = CATALOGUE[f"{pv.service.value}:State"]
        assert found == f"`ca://{SITE.prefix}{state.name}` == {state.labels.index('Connected')}"
        assert int(node.findtext("delay") or 0) > 0


def test_display_links_open_a_panel_that_shows_the_alarm() -> None:
    overview = FILES["opi/phoebus/dmioc_overview.bob"].decode()
    for component in parsed_tree().iter("component"):
        pvs = component.findall("pv")
        links = [urlsplit(str(node.text)) for node in component.findall("display/details")]
        assert len(links) == 1
        assert links[0].scheme == "file"
        panel = FILES[f"opi/phoebus/{Path(links[0].path).name}"].decode()
        macros = {name: values[0] for name, values in parse_qs(links[0].query).items()}
        assert macros["P"] == SITE.prefix
        assert ("$(N)" in panel) == ("N" in macros)
        shown = overview.replace("$(P)", SITE.prefix)
        for macro, value in macros.items():
            panel = panel.replace(f"$({macro})", value)
        for pv in pvs:
            name = pv.attrib["name"].removeprefix("ca://")
            assert f"{name}<" in panel or f"{name}<" in shown, (
                f"{name} is neither on {links[0].path} nor on the overview"
            )


@pytest.mark.parametrize(("prefix", "name"), [("DEMO:DM:", "DEMO_DM"), ("A--B:", "A_B"), ("::", "dmioc")])
def test_name_of_the_alarm_configuration_is_one_that_kafka_allows(prefix: str, name: str) -> None:
    assert alarm_config_name(prefix) == name
    tree = ElementTree.fromstring(alarm_tree(CATALOGUE, Site(prefix)))
    assert tree.get("name") == name


# save-and-restore


def test_saveset_is_the_saved_setpoints_with_their_readbacks() -> None:
    lines = text("dmioc_saveset.csv").splitlines()
    comments = [line for line in lines if line.startswith("#")]
    assert comments[0] == "# SaveSet name:" and comments[2] == "# Description:"  # as Phoebus writes and reads them
    assert '"' not in text("dmioc_saveset.csv")
    rows = list(csv.DictReader([line for line in lines if not line.startswith("#")]))
    assert [row["PV"] for row in rows] == SAVED
    assert {tuple(row) for row in rows} == {("PV", "READBACK", "READ_ONLY")}
    assert {row["READ_ONLY"] for row in rows} == {"0"}
    for row in rows:
        readback = row["PV"].removeprefix(SITE.prefix) + "_RBV"
        assert row["READBACK"] == (SITE.prefix + readback if readback in CATALOGUE else "")
    assert {"DAQ1:DataDirectory_RBV", "STR1:Source_RBV"} <= {row["READBACK"].removeprefix(SITE.prefix) for row in rows}


# all of them


def test_reference_names_every_file_and_the_station() -> None:
    reference = text("README.md")
    section = reference.split("## The files here")[1].split("\n## ")[0]
    patterns = [name.replace(".", r"\.").replace("*", ".*") for name in re.findall(r"`(dmioc[\w*]*\.\w+)`", section)]
    for path in FILES:
        name = Path(path).name
        if path.startswith("db/") and name != "README.md":
            assert any(re.fullmatch(pattern, name) for pattern in patterns), name
    assert f'"P={SITE.prefix}"' in section and f"-config {alarm_config_name(SITE.prefix)} " in section


def test_lists_of_another_station_name_no_pv_of_the_repositorys() -> None:
    for name in ("dmioc_archive.txt", "dmioc_archive.json", "dmioc_alarms.xml", "dmioc_saveset.csv"):
        assert "DEMO:DM:" not in text(name)
        assert SITE.prefix in text(name)
