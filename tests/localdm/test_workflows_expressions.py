"""The safe evaluator of runIf and repeatUntil."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dmioc.localdm.workflows.expressions import ExpressionError, evaluate, is_true

VARIABLES: dict[str, object] = {"filePath": "a.mda", "count": "3", "pi": "3.5", "flag": "True", "empty": "", "n": 7}


@pytest.mark.parametrize(
    ("expression", "wanted"),
    [
        ('not "mda" in "$filePath"', False),
        ('"mda" in "$filePath" and "$machine" != "polaris"', True),
        ('"$count" == "3"', True),
        ("'$count' == '${count}'", True),
        ("$count > 2 and $pi < 4", True),
        ("$n + $count * 2 == 13", True),
        ("$flag", True),
        ("$empty", ""),
        ("$undefined == ''", True),
        ("$filePath == 'a.mda'", True),
        ('"$a$filePath-$count"', "a.mda-3"),
        ('"""$filePath"""', "a.mda"),
        ("1 < 2 < 3 != 4", True),
        ("1 < 3 < 2", False),
        ("'x' not in ['a', 'b']", True),
        ("7 % 4 / 2 - -1", 2.5),
        ("len('$filePath') if True else 1 / 0", 5),
        ("int('$count') + float('$pi') + abs(-1)", 7.5),
        ("max(1, 2, min([5, 6]))", 5),
        ("str($count) + 'x'", "3x"),
        ("' A.B '.strip().lower().upper().startswith('A')", True),
        ("'a.h5'.endswith(('.h5', '.mda'))", True),
        ("True or undefined_name", True),
        ("(1, 'a', None)", (1, "a", None)),
        ("[]", []),
        ("'it''s'", "its"),
        (r"'\d\''", "\\d'"),
        ("  1  ", 1),
    ],
)
def test_the_known_language_gives_what_python_gives(expression: str, wanted: object) -> None:
    assert evaluate(expression, VARIABLES) == wanted


@pytest.mark.parametrize(
    ("expression", "named"),
    [
        ("__import__('os')", "__import__"),
        ("open('/etc/passwd')", "open"),
        ("().__class__", "__class__"),
        ("'a'.format('b')", "format"),
        ("'a'.__class__", "__class__"),
        ("[x for x in 'ab']", "ListComp"),
        ("lambda: 1", "Lambda"),
        ("f'{1}'", "JoinedStr"),
        ("'abc'[0]", "Subscript"),
        ("2 ** 9999999", "operator"),
        ("1 << 99999999", "operator"),
        ("1 // 2", "operator"),
        ("~1", "UnaryOp"),
        ("'a' * 99999999999", "numbers"),
        ("[0] * 99999999999", "numbers"),
        ("'%999999999d' % 1", "numbers"),
        ("b'a'", "b'a'"),
        ("1j", "1j"),
        ("...", "Ellipsis"),
        ("1 is 1", "comparison"),
        ("max(1, 2, key=len)", "by name"),
        ("max(*[1, 2])", "Starred"),
        ("{1: 2}", "Dict"),
        ("(x := 1)", "NamedExpr"),
        ("len", "'len'"),
        ("5 .startswith('a')", "texts"),
        ("x", "'x'"),
        ("", "no Python expression"),
        ("1 +", "no Python expression"),
        ("import os", "no Python expression"),
        ("'a' < 1", "cannot be evaluated"),
        ("1 / 0", "zero"),
        ("int('x')", "int"),
        ("int(float('inf'))", "infinity"),
        ("int('" + "9" * 400 + "')", "no number"),
        ("*".join(["9" * 40] * 30), "bits"),
        ("not " * 200 + "1", "deeper"),
        ("(" * 500 + ")" * 500, ""),
        ("[" * 90 + "]" * 90, "deeper"),
        ("-" * 3999 + "1", ""),
        ("'a' + " * 1000, "characters"),
        ("'\0'", ""),
        ("'\ud800'", ""),
    ],
)
def test_everything_else_is_refused_by_name(expression: str, named: str) -> None:
    with pytest.raises(ExpressionError) as refused:
        evaluate(expression, VARIABLES)
    assert named in str(refused.value)
    assert "\n" not in str(refused.value).replace("\\n", "")


@given(value=st.text(max_size=40))
@settings(max_examples=200, deadline=None)
def test_a_value_never_leaves_its_literal(value: str) -> None:
    variables: dict[str, object] = {"v": value}
    assert evaluate('"$v"', variables) == value
    assert evaluate("'$v' == \"${v}\"", variables) is True
    assert evaluate("'<' + '$v' + '>'", variables) == f"<{value}>"
    assert evaluate("str($v) == str($v)", variables) is True


NAMES = st.sampled_from(
    [
        "len",
        "int",
        "float",
        "str",
        "abs",
        "min",
        "max",
        "open",
        "eval",
        "exec",
        "__import__",
        "$v",
        "$w",
        "x",
        "getattr",
    ]
)
ATOMS = st.one_of(
    st.integers(-(10**30), 10**30).map(str),
    st.floats(allow_nan=False).map(repr),
    st.text(max_size=8).map(repr),
    NAMES,
    st.sampled_from(["True", "False", "None", "b'x'", "1j", "''", "'$v'", '"${w}"']),
)
OPERATORS = st.sampled_from(
    [*"+ - * / % ** // << >> & | ^ @ == != < <= > >= in is and or".split(), "not in", "is not", "if 1 else", ","]
)


def _larger(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    methods = st.sampled_from(["startswith", "endswith", "lower", "upper", "strip", "format", "join", "__class__"])
    return st.one_of(
        st.tuples(inner, OPERATORS, inner).map(lambda parts: f"({parts[0]} {parts[1]} {parts[2]})"),
        st.tuples(NAMES, inner).map(lambda parts: f"{parts[0]}({parts[1]})"),
        st.tuples(inner, methods, inner).map(lambda parts: f"({parts[0]}).{parts[1]}({parts[2]})"),
        inner.map(lambda part: f"not {part}"),
        inner.map(lambda part: f"-{part}"),
        inner.map(lambda part: f"[{part}]"),
        inner.map(lambda part: f"({part}).real"),
    )


EXPRESSIONS = st.recursive(ATOMS, _larger, max_leaves=12)


class Watch:
    """Notes what Python audits (imports, files, code that is executed, processes) while ``events`` is a list."""

    events: list[str] | None = None

    def __call__(self, event: str, _arguments: tuple[Any, ...]) -> None:
        if self.events is not None and event not in ("compile", "object.__getattr__"):
            self.events.append(event)


WATCH = Watch()
sys.addaudithook(WATCH)


@given(expression=st.one_of(EXPRESSIONS, st.text(max_size=60)), value=st.text(max_size=20))
@settings(max_examples=400, deadline=None)
def test_no_expression_does_more_than_give_a_value_or_its_error(expression: str, value: str) -> None:
    WATCH.events = []
    try:
        result: object = evaluate(expression, {"v": value, "w": 5})
    except ExpressionError as error:
        result = error
    finally:
        events, WATCH.events = WATCH.events, None
    assert events == []
    assert isinstance(result, bool | int | float | str | list | tuple | ExpressionError | None)


def test_truth_is_python_s() -> None:
    assert is_true("'x'", {}) is True
    assert is_true("''", {}) is False
    assert is_true("0", {}) is False
