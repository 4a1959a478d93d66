"""``runIf`` and ``repeatUntil``: a small, safe part of Python's expressions (``dm-protocol.md §6.4``).

DM evaluates Python after the ``$`` substitution. Here the expression is parsed before it and never executed: inside a
text literal a variable's value is put into the literal's *value*, so that a quote in a file name cannot end the
literal; outside one the value is a number, a truth value or else a text.
"""

from __future__ import annotations

import ast
import operator
import re
import warnings
from collections.abc import Callable, Mapping
from typing import Any

from dmioc.localdm.workflows.variables import VARIABLE, substituted, variable_name, variable_text

Value = bool | int | float | str | list[Any] | tuple[Any, ...] | None

_MAX_EXPRESSION = 4_000
_MAX_DEPTH = 60
_MAX_INT_BITS = 1_024
_MAX_TEXT = 1_000_000
_MAX_NUMBER_TEXT = 300
_VARIABLE_PREFIX = "__dm_variable_"
_LITERAL_OR_VARIABLE = re.compile(
    r'''(?P<literal>"""(?:\\.|[^\\])*?"""|\'\'\'(?:\\.|[^\\])*?\'\'\'|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')'''
    r"|(?P<variable>\$(?:\{[A-Za-z_]\w*\}|[A-Za-z_]\w*))",
    re.DOTALL | re.ASCII,
)
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "len": len,
    "int": int,
    "float": float,
    "str": str,
    "abs": abs,
    "min": min,
    "max": max,
}
_TEXT_METHODS = frozenset({"startswith", "endswith", "lower", "upper", "strip"})
_COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda part, whole: part in whole,
    ast.NotIn: lambda part, whole: part not in whole,
}
_ARITHMETIC: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: lambda left, right: left / right,
    ast.Mod: operator.mod,
}
_UNARY: dict[type[ast.unaryop], Callable[[Any], Any]] = {
    ast.Not: operator.not_,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
}


class ExpressionError(Exception):
    """The expression cannot be evaluated; the text names what is wrong with it, in one line."""


def is_true(expression: str, variables: Mapping[str, object]) -> bool:
    """Whether the expression is true for these variables; raises `ExpressionError`."""
    return bool(evaluate(expression, variables))


def evaluate(expression: str, variables: Mapping[str, object]) -> Value:
    """Value of the expression for these variables, undefined ones being the empty text; raises `ExpressionError`.

    Known: literals, lists and tuples, comparisons, ``in``, ``and``/``or``/``not``, ``a if b else c``, ``+ - * / %``,
    the functions len int float str abs min max, and the text methods startswith endswith lower upper strip.
    """
    if len(expression) > _MAX_EXPRESSION:
        raise ExpressionError(f"the expression has {len(expression)} characters, at most {_MAX_EXPRESSION} are taken")
    try:
        return _Evaluation(variables).value(_parsed(expression), 0)
    except (TypeError, ValueError, ArithmeticError, MemoryError, RecursionError) as error:
        raise ExpressionError(f"{expression!r} cannot be evaluated: {error or type(error).__name__}") from None


def _parsed(expression: str) -> ast.expr:
    source = _LITERAL_OR_VARIABLE.sub(_placeholder, expression).strip()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(source, mode="eval").body
    except SyntaxError as error:
        raise ExpressionError(f"{expression!r} is no Python expression: {error.msg}") from None


def _placeholder(found: re.Match[str]) -> str:
    if found["literal"] is not None:
        return found["literal"]
    variable = VARIABLE.fullmatch(found["variable"])
    return f" {_VARIABLE_PREFIX}{variable_name(variable)} " if variable else found["variable"]


class _Evaluation:
    """One walk over a parsed expression."""

    def __init__(self, variables: Mapping[str, object]) -> None:
        self._variables = variables

    def value(self, node: ast.expr, depth: int) -> Any:
        if depth > _MAX_DEPTH:
            raise ExpressionError(f"the expression is nested deeper than {_MAX_DEPTH} levels")
        deeper = depth + 1
        match node:
            case ast.Constant(value=constant):
                return self._constant(constant)
            case ast.Name(id=name):
                return self._variable(name)
            case ast.List(elts=items):
                return [self.value(item, deeper) for item in items]
            case ast.Tuple(elts=items):
                return tuple(self.value(item, deeper) for item in items)
            case ast.BoolOp(op=op, values=items):
                return self._choice(isinstance(op, ast.Or), items, deeper)
            case ast.IfExp(test=test, body=body, orelse=orelse):
                return self.value(body if self.value(test, deeper) else orelse, deeper)
            case ast.Compare():
                return self._comparison(node, deeper)
            case ast.UnaryOp(op=op, operand=operand) if type(op) in _UNARY:
                return _UNARY[type(op)](self.value(operand, deeper))
            case ast.BinOp():
                return self._arithmetic(node, deeper)
            case ast.Call():
                return self._call(node, deeper)
            case _:
                raise ExpressionError(f"{_shown(node)!r} is not known in an expression ({type(node).__name__})")

    def _constant(self, constant: object) -> Value:
        if isinstance(constant, str):
            return substituted(constant, self._variables)
        if constant is None or isinstance(constant, bool | int | float):
            return _bounded(constant)
        raise ExpressionError(f"{constant!r} is not known in an expression; texts, numbers, True, False and None are")

    def _variable(self, name: str) -> Value:
        if not name.startswith(_VARIABLE_PREFIX):
            raise ExpressionError(f"the name {name!r} is not known in an expression; write ${name} for a variable")
        return _from_text(variable_text(self._variables.get(name.removeprefix(_VARIABLE_PREFIX))))

    def _choice(self, is_or: bool, items: list[ast.expr], depth: int) -> Any:
        result: Any = None
        for item in items:
            result = self.value(item, depth)
            if bool(result) == is_or:
                break
        return result

    def _comparison(self, node: ast.Compare, depth: int) -> bool:
        left = self.value(node.left, depth)
        for op, comparator in zip(node.ops, node.comparators, strict=True):
            compare = _COMPARISONS.get(type(op))
            if compare is None:
                raise ExpressionError(f"{_shown(node)!r}: this comparison is not known; == != < <= > >= in, not in are")
            right = self.value(comparator, depth)
            if not compare(left, right):
                return False
            left = right
        return True

    def _arithmetic(self, node: ast.BinOp, depth: int) -> Value:
        calculate = _ARITHMETIC.get(type(node.op))
        if calculate is None:
            raise ExpressionError(f"{_shown(node)!r}: this operator is not known; + - * / % are")
        left, right = self.value(node.left, depth), self.value(node.right, depth)
        numbers = isinstance(left, int | float) and isinstance(right, int | float)
        if not numbers and not isinstance(node.op, ast.Add):
            raise ExpressionError(f"{_shown(node)!r}: only numbers can be taken here")
        return _bounded(calculate(left, right))

    def _call(self, node: ast.Call, depth: int) -> Value:
        if node.keywords:
            raise ExpressionError(f"{_shown(node)!r}: arguments by name are not known in an expression")
        match node.func:
            case ast.Name(id=name) if name in _FUNCTIONS:
                arguments = [self.value(argument, depth) for argument in node.args]
                return _bounded(_FUNCTIONS[name](*_short_enough(name, arguments)))
            case ast.Attribute(value=owner, attr=name) if name in _TEXT_METHODS:
                text = self.value(owner, depth)
                if not isinstance(text, str):
                    raise ExpressionError(f"{_shown(node)!r}: {name} is only known for texts")
                arguments = [self.value(argument, depth) for argument in node.args]
                return _bounded(getattr(text, name)(*arguments))
            case _:
                raise ExpressionError(f"{_shown(node.func)!r} cannot be called in an expression")


def _short_enough(name: str, arguments: list[Any]) -> list[Any]:
    if name in ("int", "float") and any(isinstance(item, str) and len(item) > _MAX_NUMBER_TEXT for item in arguments):
        raise ExpressionError(f"a text of more than {_MAX_NUMBER_TEXT} characters is no number")
    return arguments


def _from_text(text: str) -> Value:
    words: dict[str, Value] = {"True": True, "False": False, "None": None}
    if text in words:
        return words[text]
    if len(text) <= _MAX_NUMBER_TEXT:
        for kind in (int, float):
            try:
                return _bounded(kind(text))
            except ValueError:
                continue
    return text


def _bounded(value: Any) -> Value:
    if isinstance(value, int) and value.bit_length() > _MAX_INT_BITS:
        raise ExpressionError(f"a number of {value.bit_length()} bits is too large for an expression")
    if isinstance(value, str | list | tuple) and len(value) > _MAX_TEXT:  # pyright: ignore[reportUnknownArgumentType] - of anything
        raise ExpressionError(f"more than {_MAX_TEXT} characters are too many for an expression")
    return value  # pyright: ignore[reportUnknownVariableType] - a list or tuple of values


def _shown(node: ast.expr) -> str:
    text = ast.unparse(node).replace(_VARIABLE_PREFIX, "$")
    return text if len(text) <= 80 else f"{text[:80]}…"
