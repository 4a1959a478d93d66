"""Names, arguments and defaults are those of the real apstools, read from the installed package."""

from __future__ import annotations

import ast
import importlib.util
import inspect
from pathlib import Path
from typing import Any

import pytest

MODULES = ("devices/aps_data_management.py", "utils/aps_data_management.py")
LISTED = (  # issue C, item 3
    "dm_start_daq dm_stop_daq dm_get_daqs dm_get_experiment_datadir_active_daq dm_upload wait_dm_upload "
    "dm_daq_wait_upload_plan dm_get_experiments dm_get_workflow dm_file_ready_to_process share_bluesky_metadata_with_dm "
    "get_workflow_last_stage"
).split()
MORE = (
    "dm_get_experiment_file dm_get_experiment_path dm_station_name validate_experiment_dataDirectory build_run_metadata_dict"
).split()
SIGNALS = ("owner workflow job_id run_time stage_id status polling_period reporting_period concise_reporting").split()
METHODS = (
    "__init__ put_if_different getJob _update_processing_data idle report_status start_workflow run_as_plan processing_jobs "
    "workflows report_processing_stages"
).split()
NOT_SHOWN = {"self", "cls"}


def apstools() -> list[ast.stmt]:
    """Its two modules as trees: importing them takes seconds and warns."""
    spec = importlib.util.find_spec("apstools")
    assert spec is not None and spec.submodule_search_locations
    folder = Path(spec.submodule_search_locations[0])
    return [statement for name in MODULES for statement in ast.parse((folder / name).read_text("utf-8")).body]


@pytest.fixture(scope="module")
def theirs() -> dict[str, Any]:
    """Their functions and classes by name, and the values of their constants."""
    found: dict[str, Any] = {}
    constants: dict[str, Any] = {"MINUTE": 60, "SECOND": 1}
    for statement in apstools():
        if isinstance(statement, ast.FunctionDef | ast.ClassDef):
            found[statement.name] = statement
        elif isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
            source = ast.unparse(statement.value)
            constants[statement.targets[0].id] = eval(source, {"logging": __import__("logging")}, constants)
    return {"constants": constants, **found}


def methods_of(tree: ast.ClassDef) -> dict[str, ast.FunctionDef]:
    return {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}


def their_arguments(tree: ast.FunctionDef, constants: dict[str, Any]) -> list[tuple[str, Any]]:
    names = [argument.arg for argument in tree.args.args]
    defaults = [eval(ast.unparse(default), {}, constants) for default in tree.args.defaults]
    values = [inspect.Parameter.empty] * (len(names) - len(defaults)) + defaults
    more = [(f"*{tree.args.vararg.arg}", None)] if tree.args.vararg else []
    more += [(f"**{tree.args.kwarg.arg}", None)] if tree.args.kwarg else []
    return [*((name, value) for name, value in zip(names, values, strict=True) if name not in NOT_SHOWN), *more]


def our_arguments(function: Any) -> list[tuple[str, Any]]:
    """Without those that only ours has: they must be keywords."""
    shown: list[tuple[str, Any]] = []
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind is parameter.VAR_KEYWORD:
            shown.append((f"**{parameter.name}", None))
        elif parameter.kind is not parameter.KEYWORD_ONLY and parameter.name not in NOT_SHOWN:
            shown.append((parameter.name, parameter.default))
    return shown


@pytest.mark.parametrize("name", [*LISTED, *MORE])
def test_functions_take_the_same_arguments(theirs: dict[str, Any], name: str) -> None:
    import dmioc.devices

    function = getattr(dmioc.devices, name)
    assert our_arguments(function) == their_arguments(theirs[name], theirs["constants"])
    is_plan = any(isinstance(node, ast.Yield | ast.YieldFrom) for node in ast.walk(theirs[name]))
    assert inspect.isgeneratorfunction(function) == is_plan


@pytest.mark.parametrize("class_name", ["DM_WorkflowConnector", "DM_WorkflowCache"])
def test_classes_have_the_same_methods(theirs: dict[str, Any], class_name: str) -> None:
    import dmioc.devices

    ours, methods = getattr(dmioc.devices, class_name), methods_of(theirs[class_name])
    wanted = METHODS if class_name == "DM_WorkflowConnector" else list(methods)
    for name in wanted:
        attribute = inspect.getattr_static(ours, name)
        if isinstance(attribute, property):
            assert [ast.unparse(one) for one in methods[name].decorator_list] == ["property"], name
            continue
        assert our_arguments(attribute) == their_arguments(methods[name], theirs["constants"]), name
        is_plan = any(isinstance(node, ast.Yield | ast.YieldFrom) for node in ast.walk(methods[name]))
        assert inspect.isgeneratorfunction(attribute) == is_plan, name
    assert set(methods) - set(dir(ours)) == ({"api"} if class_name == "DM_WorkflowConnector" else set())


def test_signals_have_the_same_names_values_and_kinds(theirs: dict[str, Any]) -> None:
    from ophyd import Kind

    from dmioc.devices import DM_WorkflowConnector

    device = DM_WorkflowConnector(name="wf", prefix="none:")
    expected: dict[str, tuple[Any, Kind]] = {}
    for node in theirs["DM_WorkflowConnector"].body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
            keywords = {
                word.arg: eval(ast.unparse(word.value), {}, theirs["constants"]) for word in node.value.keywords
            }
            assert isinstance(node.targets[0], ast.Name)
            expected[node.targets[0].id] = keywords["value"], Kind[keywords.get("kind", "normal")]
    assert set(expected) == set(SIGNALS)
    found = {name: (getattr(device, name).get(), getattr(device, name).kind) for name in expected}
    assert found == expected
    assert set(device.component_names) - set(expected) == {"error"}
    device.destroy()


def test_constants_are_the_same(theirs: dict[str, Any]) -> None:
    import dmioc.devices

    for name in ("DEFAULT_UPLOAD_TIMEOUT", "DEFAULT_UPLOAD_POLL_PERIOD"):
        assert getattr(dmioc.devices, name) == theirs["constants"][name]
