"""Rule files as they are written: YAML whose fields are checked, with the line of everything."""

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from stl.errors import StlError, closest

SCHEMA = "rules/1"


def _number(value: object) -> object:
    """Numbers only: pydantic would take ``true`` and ``"1"`` as well."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("expected a number" + (", written like 1.0e+3" if _exponent(value) else ""))
    return value


def _exponent(value: object) -> bool:
    """A number to people, but a text to YAML, as ``1e3``."""
    try:
        return isinstance(value, str) and math.isfinite(float(value))
    except ValueError:
        return False


def _text(value: object) -> object:
    if isinstance(value, bool | int | float):
        raise ValueError("expected a text; put it in quotes")
    return value


def _finite(value: object) -> object:
    if not math.isfinite(_number(value)):  # type: ignore[arg-type]
        raise ValueError("expected a finite number")
    return value


Finite = Annotated[float, BeforeValidator(_finite)]
Extended = Annotated[float, BeforeValidator(_number)]
Text = Annotated[str, BeforeValidator(_text)]
Identifier = Annotated[Text, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]*$")]


class _Fields(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SignalFields(_Fields):
    """A signal of the traces that the file is for."""

    unit: Annotated[str, BeforeValidator(lambda value: "1" if value == 1 else _text(value))] = "1"
    range: tuple[Extended, Extended] | None = None
    kind: Literal["number", "flag"] = "number"
    scale: Annotated[Finite, Field(gt=0)] | None = None
    description: Text = ""


class ParameterFields(_Fields):
    """A number that formulas name."""

    value: Finite
    unit: Annotated[str, BeforeValidator(lambda value: "1" if value == 1 else _text(value))] = "1"
    range: tuple[Finite, Finite] | None = None
    calibrated: bool = False
    loosen: Literal["up", "down", "none"] | None = None
    source: Text = ""
    description: Text = ""


class RuleFields(_Fields):
    """One rule."""

    id: Identifier
    formula: Text
    applies: Text | None = None
    level: Annotated[int, BeforeValidator(_number), Field(ge=0, le=4)] = 2
    source: Text = ""
    description: Text = ""
    scale: dict[str, Annotated[Finite, Field(gt=0)]] = {}


class IncludeFields(_Fields):
    """Another rule file whose rules belong to the set, with other values for its parameters."""

    file: Text
    parameters: dict[str, Finite] = {}


def _by_name(value: object) -> object:
    """Signals in short: a list of names or of fields with a name, a unit alone, or nothing but the name."""
    if isinstance(value, list):
        named = [({"name": item} if isinstance(item, str) else item) for item in value]
        if not all(isinstance(item, dict) and isinstance(item.get("name"), str) for item in named):
            raise ValueError("expected a mapping from names, or a list of fields with a name")
        value = {item["name"]: {key: field for key, field in item.items() if key != "name"} for item in named}
        if len(value) < len(named):
            raise ValueError("a signal is there twice")
    if not isinstance(value, dict):
        return value
    return {name: {} if item is None else {"unit": item} if isinstance(item, str) else item
            for name, item in value.items()}  # fmt: skip


class RuleFile(_Fields):
    """A rule file."""

    schema_: Annotated[Literal["rules/1"], Field(alias="schema")]
    name: Identifier
    description: Text = ""
    include: list[IncludeFields] = []
    signals: Annotated[dict[str, SignalFields], BeforeValidator(_by_name)] = {}
    parameters: dict[str, ParameterFields] = {}
    rules: list[RuleFields] = []


class Place(NamedTuple):
    """Where something stands, for messages."""

    path: Path
    lines: dict[tuple[str | int, ...], int]

    def error(self, where: Iterable[str | int], reason: str, suggestion: str | None = None) -> StlError:
        """An error about the field at ``where``, or about the nearest one around it."""
        parts = tuple(where)
        while parts and parts not in self.lines:
            parts = parts[:-1]
        line = self.lines.get(parts)
        return StlError(f"{self.path}{f', line {line}' if line else ''}: {reason}", suggestion=suggestion)


def read_rule_file(path: Path) -> tuple[RuleFile, Place]:
    """Read a rule file and check its fields.

    Raises:
        StlError: It cannot be read, is no YAML, or a field is wrong; the sentence names file, line and field.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise StlError(f"the rule file {path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise StlError(f"the rule file {path} is not text in UTF-8") from None
    lines: dict[tuple[str | int, ...], int] = {}
    place = Place(path, lines)
    try:
        root = yaml.compose(text, yaml.SafeLoader)
        if root is not None:
            _note_lines(root, (), place)
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise _not_yaml(path, error) from None
    except RecursionError:
        raise StlError(f"{path}: the file is nested too deeply") from None
    if not isinstance(content, dict):
        found = "nothing" if content is None else "a list" if isinstance(content, list) else _shown(content)
        raise StlError(f"{path}: the file holds {found}, expected fields such as `schema: {SCHEMA}`")
    try:
        return RuleFile.model_validate(content), place
    except ValidationError as error:
        raise _wrong_field(error, place) from None


def _note_lines(node: yaml.Node, where: tuple[str | int, ...], place: Place) -> None:
    """Line of every field, from 1; a field given twice is an error, because YAML keeps only the last."""
    place.lines.setdefault(where, node.start_mark.line + 1)
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            _note_lines(item, (*where, index), place)
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.tag != "tag:yaml.org,2002:str":
                shown = repr(key.value) if isinstance(key, yaml.ScalarNode) else "of a field"
                raise place.error(where, f"the name {shown} in {_field(where)} is no text; put it in quotes")
            inner = (*where, key.value)
            if inner in place.lines:
                place.lines[inner] = key.start_mark.line + 1
                raise place.error(inner, f"{_field(inner)} is given twice")
            place.lines[inner] = key.start_mark.line + 1
            _note_lines(value, inner, place)


def _not_yaml(path: Path, error: yaml.YAMLError) -> StlError:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        problem = error.problem or error.context or "it cannot be read"
        return StlError(f"{path}, line {error.problem_mark.line + 1}: not YAML: {problem}")
    return StlError(f"{path}: not YAML: {' '.join(str(error).split())}")


def _field(where: Iterable[str | int]) -> str:
    text = ""
    for part in where:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text or "the file"


_MODELS: dict[str, type[BaseModel]] = {
    "include": IncludeFields, "signals": SignalFields, "parameters": ParameterFields, "rules": RuleFields
}  # fmt: skip


def _wrong_field(error: ValidationError, place: Place) -> StlError:
    # unknown fields first: a misspelt field is also a missing one
    first = min(error.errors(), key=lambda item: item["type"] != "extra_forbidden")
    where: tuple[str | int, ...] = first["loc"]
    kind, field = first["type"], _field(where)
    if kind == "extra_forbidden":
        model = RuleFile if len(where) == 1 else _MODELS[str(where[0])]
        known = [item.alias or name for name, item in model.model_fields.items()]
        near = closest(str(where[-1]), known)
        return place.error(
            where, f"there is no field {field}" + ("" if near else f" (known: {', '.join(known)})"), near
        )
    if kind == "missing":
        if isinstance(where[-1], int):
            return place.error(where, f"{_field(where[:-1])}: expected two numbers, [low, high]")
        return place.error(where[:-1], f"the field {field} is missing")
    if where == ("schema",):
        return place.error(where, f"schema is {first['input']!r}, expected {SCHEMA!r}")
    return place.error(where, f"{field} is {_shown(first['input'])}: {_expected(first)}")


def _shown(value: Any) -> str:
    text = "empty" if value is None else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _expected(first: Any) -> str:
    """What was expected, in our words where those of pydantic are about Python."""
    kind, context = first["type"], first.get("ctx", {})
    if kind == "value_error":
        return str(context["error"])
    if kind == "string_pattern_mismatch":
        return "expected letters, digits, _ and -, a letter first"
    if kind in ("too_short", "too_long"):
        return "expected two numbers, [low, high]"
    if kind == "literal_error":
        return f"expected {context['expected']}"
    expected = {
        "greater_than_equal": "0 to 4", "less_than_equal": "0 to 4", "finite_number": "0 to 4",
        "int_from_float": "a whole number, 0 to 4",
        "greater_than": "a positive number", "string_type": "a text", "bool_type": "true or false",
        "bool_parsing": "true or false", "tuple_type": "two numbers, [low, high]", "list_type": "a list",
        "dict_type": "a mapping from names", "model_type": "fields", "model_attributes_type": "fields",
    }  # fmt: skip
    return f"expected {expected[kind]}" if kind in expected else str(first["msg"])
