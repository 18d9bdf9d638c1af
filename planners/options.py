"""Options in brackets: ``idm[headway=2.0,margin=0.1]`` read as typed keyword arguments of a planner's constructor."""

import contextlib
import difflib
import inspect
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import yaml

from drive.errors import PlannerError

_ACCEPTED = {int: (int,), float: (int, float), bool: (bool,), str: (str,)}


def split_spec(text: str) -> tuple[str, dict[str, str]]:
    """Split ``name[key=value,...]`` into the name and the raw texts of its options, in the order given.

    A value with a comma in it is put in quotes or in brackets of its own: ``planner[files="a,b",sizes=[1,2]]``.

    Raises:
        PlannerError: A bracket or quote is left open, an option lacks ``=`` or its name, or is given twice.
    """
    text = text.strip()
    name, bracket, rest = text.partition("[")
    if not bracket:
        return name.strip(), {}
    if not rest.endswith("]"):
        raise PlannerError(f"planner {text!r}: expected options as NAME[key=value,...], the last character must be ']'")
    options: dict[str, str] = {}
    for part in _split_commas(rest[:-1], text):
        key, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals or not key.isidentifier():
            raise PlannerError(f"planner {text!r}: option {part.strip()!r} is not of the form key=value")
        if key in options:
            raise PlannerError(f"planner {text!r}: option {key!r} is given twice")
        options[key] = value
    return name.strip(), options


def _split_commas(text: str, whole: str) -> list[str]:
    parts, depth, quote, begin = [], 0, "", 0
    for index, character in enumerate(text):
        if quote:
            quote = "" if character == quote else quote
        elif character in "\"'":
            quote = character
        elif character in "[{(":
            depth += 1
        elif character in "]})":
            depth -= 1
        elif character == "," and depth == 0:
            parts.append(text[begin:index])
            begin = index + 1
        if depth < 0:
            break
    if quote or depth:
        raise PlannerError(f"planner {whole!r}: a quote or bracket in the options is not closed")
    parts.append(text[begin:])
    return [part for part in parts if part.strip()]


def bind_options(factory: Callable[..., object], raw: Mapping[str, str], who: str) -> dict[str, Any]:
    """Turn raw option texts into keyword arguments of ``factory``, checked against its parameters and annotations.

    Values are YAML scalars; where the parameter is annotated ``str`` the text is taken as it stands, and where it is
    ``float`` every spelling Python knows is accepted (YAML alone reads ``1e-3`` as a word).

    Raises:
        PlannerError: An option is unknown, has the wrong type, or a required one is missing.
    """
    parameters = option_parameters(factory)
    catch_all = any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters.values())
    named = {name: item for name, item in parameters.items() if item.kind is not inspect.Parameter.VAR_KEYWORD}
    for key in raw:
        if key not in named and not catch_all:
            known = f"its options are {', '.join(named)}" if named else "it has no options"
            raise PlannerError(f"planner {who!r} has no option {key!r}{did_you_mean(key, named)}; {known}")
    missing = [name for name, item in named.items() if item.default is inspect.Parameter.empty and name not in raw]
    if missing:
        wanted = ",".join(f"{name}=..." for name in missing)
        raise PlannerError(f"planner {who!r} needs a value for {', '.join(missing)}: write {who}[{wanted}]")
    hints = _hints(factory)
    return {key: _convert(text, hints.get(key), f"planner {who!r}: option {key!r}") for key, text in raw.items()}


def option_parameters(factory: Callable[..., object]) -> dict[str, inspect.Parameter]:
    """Parameters of a constructor that options in brackets can set, by name (``**kwargs`` included)."""
    by_name = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.VAR_KEYWORD)
    return {name: item for name, item in inspect.signature(factory).parameters.items() if item.kind in by_name}


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """``, did you mean 'x'?`` for the known word nearest to ``word``, or nothing."""
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.55)
    return f", did you mean {near[0]!r}?" if near else ""


def _hints(factory: Callable[..., object]) -> dict[str, Any]:
    function = factory.__init__ if isinstance(factory, type) else factory  # type: ignore[misc]
    try:
        return typing.get_type_hints(function)
    except (NameError, TypeError, AttributeError):  # annotations of a plug-in that cannot be evaluated: no types then
        return {}


def _convert(text: str, hint: Any, where: str) -> Any:
    kinds = _kinds(hint)
    if kinds == [str] and text[:1] not in ("'", '"'):
        return text
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        raise PlannerError(f"{where}: {text!r} is not a YAML value") from None
    if float in kinds and isinstance(value, str):
        with contextlib.suppress(ValueError):
            value = float(value)
    if not kinds or any(_fits(value, kind) for kind in kinds):
        return float(value) if float in kinds and int not in kinds and type(value) is int else value
    if str in kinds:
        return text
    expected = " or ".join("nothing" if kind is type(None) else kind.__name__ for kind in kinds)
    raise PlannerError(f"{where} expects {expected}, got {text!r}")


def _kinds(hint: Any) -> list[type]:
    """The plain types an annotation admits; an empty list where anything goes."""
    members = typing.get_args(hint) if typing.get_origin(hint) in (typing.Union, types.UnionType) else (hint,)
    plain = [member for member in members if member in _ACCEPTED or member is type(None)]
    return plain if len(plain) == len(members) else []


def _fits(value: object, kind: type) -> bool:
    if kind is type(None):
        return value is None
    return isinstance(value, _ACCEPTED[kind]) and (kind is bool or not isinstance(value, bool))
