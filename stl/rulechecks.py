"""From the text of a rule file to a checked :class:`stl.rules.RuleSet`: names, units, ranges, what cannot be meant."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from stl.errors import StlError, closest
from stl.formula import Binary, Formula, Interval, Step, Unary, bind, names, walk
from stl.grammar import parse
from stl.ranges import bounds, look_ahead
from stl.rulefile import Place, RuleFields, RuleFile, SignalFields, read_rule_file
from stl.rules import Parameter, Rule, RuleSet
from stl.signals import SignalSpec
from stl.text import to_text
from stl.tokens import tokenize
from stl.units import Unit, unit_of


def load(path: Path, catalog: Mapping[str, SignalSpec], scene: float | None) -> RuleSet:
    """See :func:`stl.rules.load_rules`."""
    rules = _read(path, catalog, ())
    return replace(rules, warnings=(*rules.warnings, *_doubts(rules, scene)))


def changed(parameters: Mapping[str, Parameter], name: str, value: float) -> Parameter:
    """A parameter with another value; :class:`StlError` if there is none, or the value is out of its range."""
    if name not in parameters:
        raise StlError(f"there is no parameter {name!r}", suggestion=closest(name, parameters))
    parameter = parameters[name]
    if not parameter.low <= value <= parameter.high:
        raise StlError(
            f"parameter {name!r} is {value:g} {parameter.unit}, out of its range {_span(parameter.low, parameter.high)}"
        )
    return replace(parameter, value=float(value))


def _read(path: Path, catalog: Mapping[str, SignalSpec], parents: tuple[Path, ...]) -> RuleSet:
    file, place = read_rule_file(path)
    if not file.rules and not file.include:
        raise place.error((), "the file has no rules")
    rules: dict[str, Rule] = {}
    parameters: dict[str, Parameter] = {}
    signals = dict(catalog) | _signals(file, place)  # what the file says of its traces counts
    for index, part in enumerate(file.include):
        where = ("include", index)
        other = path.parent / part.file
        if other.resolve() in (*parents, path.resolve()):
            raise place.error(where, f"the file includes itself by way of {part.file}")
        if not other.is_file():
            raise place.error(where, f"the included file {part.file} is not there")
        included = _read(other, catalog, (*parents, path.resolve()))
        try:
            included = included.with_values(part.parameters)
        except StlError as error:
            raise place.error((*where, "parameters"), error.reason, error.suggestion) from None
        for rule in included.rules:
            if rule.id in rules:
                raise place.error(where, f"rule {rule.id!r} of {part.file} is already included from another file")
            rules[rule.id] = rule
        for name, parameter in included.parameters.items():
            if parameters.setdefault(name, parameter) != parameter:
                raise place.error(
                    where, f"parameter {name!r} of {part.file} has another value in another included file"
                )
        signals |= {name: spec for name, spec in included.signals.items() if name not in signals}
    own = _parameters(file, place, signals)
    for name in own:
        if name in parameters:
            raise place.error(
                ("parameters", name), f"parameter {name!r} is included already; set it under include: parameters"
            )
    parameters |= own
    for index, fields in enumerate(file.rules):
        if fields.id in rules:
            raise place.error(("rules", index, "id"), f"rule {fields.id!r} is there twice")
        rules[fields.id] = _rule(fields, ("rules", index), place, signals, parameters)
    used = {name for rule in rules.values() for name in _names(rule)}
    return RuleSet(
        file.name,
        tuple(rules.values()),
        parameters,
        {name: spec for name, spec in signals.items() if name in used},
        file.description,
        (
            *(f"parameter {name!r} is not used by any rule" for name in own if name not in used),
            *_renamed(signals, catalog, used),
        ),
    )


def _renamed(signals: Mapping[str, SignalSpec], catalog: Mapping[str, SignalSpec], used: set[str]) -> Iterable[str]:
    for name in sorted(used & signals.keys() & catalog.keys()):
        if signals[name].measure != catalog[name].measure:
            yield f"signal {name!r} is in {signals[name].unit} in this file, elsewhere in {catalog[name].unit}"


def _names(rule: Rule) -> frozenset[str]:
    return names(rule.formula) | (names(rule.applies) if rule.applies is not None else frozenset())


def _signals(file: RuleFile, place: Place) -> dict[str, SignalSpec]:
    found = {}
    for name, fields in file.signals.items():
        where = ("signals", name)
        _check_name(name, "signal", where, place)
        found[name] = _signal(name, fields, where, place)
    return found


def _signal(name: str, fields: SignalFields, where: tuple[str, ...], place: Place) -> SignalSpec:
    if fields.kind == "flag":
        if fields.unit != "1" or fields.range is not None:
            raise place.error(where, f"signal {name!r} is a flag, +1000 or -1000, and has neither unit nor range")
        return SignalSpec.flag(name)
    _unit(fields.unit, (*where, "unit"), place)
    low, high = fields.range or (float("-inf"), float("inf"))
    _check_range(low, high, f"signal {name!r}", (*where, "range"), place)
    return SignalSpec(name, fields.unit, low, high, scale=fields.scale, neutral=min(max(0.0, low), high))


def _parameters(file: RuleFile, place: Place, signals: Mapping[str, SignalSpec]) -> dict[str, Parameter]:
    found = {}
    for name, fields in file.parameters.items():
        where = ("parameters", name)
        _check_name(name, "parameter", where, place)
        if name in signals:
            raise place.error(where, f"{name!r} is the name of a signal; call the parameter otherwise")
        _unit(fields.unit, (*where, "unit"), place)
        low, high = fields.range or (float("-inf"), float("inf"))
        _check_range(low, high, f"parameter {name!r}", (*where, "range"), place)
        if not low <= fields.value <= high:
            reason = f"parameter {name!r} is {fields.value:g} {fields.unit}, out of its range {_span(low, high)}"
            raise place.error((*where, "value"), reason)
        found[name] = Parameter(
            name, fields.value, fields.unit, low, high, fields.calibrated, fields.loosen, fields.source
        )
    return found


def _check_name(name: str, what: str, where: tuple[str, ...], place: Place) -> None:
    try:
        pieces = tokenize(name)
    except StlError as error:
        raise place.error(where, f"the {what} cannot be called {name!r}: {error.reason}") from None
    if len(pieces) != 2 or pieces[0].kind != "NAME":
        raise place.error(where, f"the {what} cannot be called {name!r}: formulas need a name of letters, digits and _"
                          " that is no word of theirs")  # fmt: skip


def _check_range(low: float, high: float, what: str, where: tuple[str, ...], place: Place) -> None:
    if not low < high:
        raise place.error(where, f"the range of {what} is {_span(low, high)}, expected [low, high] with low < high")


def _span(low: float, high: float) -> str:
    return f"[{low:g}, {high:g}]"


def _unit(text: str, where: tuple[str, ...], place: Place) -> Unit:
    try:
        return Unit.parse(text)
    except StlError as error:
        raise place.error(where, error.reason) from None


# --- rules


def _rule(
    fields: RuleFields,
    where: tuple[str | int, ...],
    place: Place,
    signals: Mapping[str, SignalSpec],
    parameters: Mapping[str, Parameter],
) -> Rule:
    formula = _formula(fields.formula, fields.id, (*where, "formula"), place, signals, parameters)
    applies = None
    if fields.applies is not None:
        applies = _formula(fields.applies, fields.id, (*where, "applies"), place, signals, parameters)
        temporal = next((node for node in walk(applies) if isinstance(node, Unary | Binary | Step)), None)
        if temporal is not None:
            reason = f"rule {fields.id!r}: applies is about single samples, but has the temporal operator {temporal.op}"
            raise place.error((*where, "applies"), reason)
    for name in fields.scale:
        if name not in signals:
            raise place.error(
                (*where, "scale", name),
                f"rule {fields.id!r}: scale of an unknown signal {name!r}",
                closest(name, signals),
            )
    return Rule(
        fields.id, formula, applies, fields.level, fields.source, fields.description,
        (fields.scale), fields.formula,
    )  # fmt: skip


def _formula(
    text: str,
    rule: str,
    where: tuple[str | int, ...],
    place: Place,
    signals: Mapping[str, SignalSpec],
    parameters: Mapping[str, Parameter],
) -> Formula:
    field = where[-1]
    try:
        formula = parse(text)
        _check_names(formula, text, signals, parameters)
        _check_intervals(formula, text, parameters)
        unit_of(formula, _units(signals, parameters), strict=False)
    except StlError as error:
        column = "" if error.column is None else f", column {error.column}"
        if error.line is not None and error.line > 1:
            column = f", line {error.line}{column}"
        raise place.error(where, f"rule {rule!r}, {field}{column}: {error.reason}", error.suggestion) from None
    return formula


def _units(signals: Mapping[str, SignalSpec], parameters: Mapping[str, Parameter]) -> dict[str, Unit]:
    units = {name: spec.measure for name, spec in signals.items()}
    return units | {name: Unit.parse(parameter.unit) for name, parameter in parameters.items()}


def _check_names(
    formula: Formula, text: str, signals: Mapping[str, SignalSpec], parameters: Mapping[str, Parameter]
) -> None:
    known = {**signals, **parameters}
    unknown = sorted((_position(text, name), name) for name in names(formula) if name not in known)
    if unknown:
        position, name = unknown[0]
        raise StlError(f"there is no signal or parameter {name!r}", text, position, closest(name, known))


def _position(text: str, name: str) -> int:
    return next(piece.position for piece in tokenize(text) if piece.word == name)


def _intervals(formula: Formula) -> Iterable[Interval]:
    return (node.interval for node in walk(formula) if isinstance(node, Unary | Binary) and node.interval is not None)


def _check_intervals(formula: Formula, text: str, parameters: Mapping[str, Parameter]) -> None:
    for interval in _intervals(formula):
        ends = []
        for bound in (interval.begin, interval.end):
            if not isinstance(bound, str):
                ends.append(bound)
                continue
            position = _position(text, bound)
            if bound not in parameters:
                raise StlError(f"{bound!r} is a signal; bounds of intervals are numbers or parameters", text, position)
            parameter = parameters[bound]
            if Unit.parse(parameter.unit) != Unit.parse("s"):
                reason = f"parameter {bound!r} bounds an interval, but is in {parameter.unit}; intervals are in s"
                raise StlError(reason, text, position)
            if parameter.value < 0:
                raise StlError(f"parameter {bound!r} bounds an interval, but is {parameter.value:g} s", text, position)
            ends.append(parameter.value)
        if ends[0] > ends[1]:
            shown = ", ".join(f"{bound}" if isinstance(bound, str) else f"{bound:g}"
                              for bound in (interval.begin, interval.end))  # fmt: skip
            raise StlError(f"the interval [{shown}] ends before it begins: {ends[0]:g} s to {ends[1]:g} s")


# --- what is probably not meant


def _doubts(rules: RuleSet, scene: float | None) -> Iterable[str]:
    values = {name: parameter.value for name, parameter in rules.parameters.items()}
    ranges = {name: (spec.low, spec.high) for name, spec in rules.signals.items()}
    for rule in rules.rules:
        formula = bind(rule.formula, values)
        low, high = bounds(formula, ranges)
        if low >= 0.0 or high < 0.0:
            word = "true" if low >= 0.0 else "false"
            yield f"rule {rule.id!r} is {word} whatever the signals are: its robustness lies in {_span(low, high)}"
        if rule.applies is not None:
            low, high = bounds(bind(rule.applies, values), ranges)
            if high < 0.0:
                yield f"rule {rule.id!r} never applies: {to_text(rule.applies)} cannot hold"
        try:
            for text in (rule.formula, rule.applies):
                if text is not None:
                    unit_of(text, _units(rules.signals, rules.parameters))
        except StlError as error:
            yield f"rule {rule.id!r}: {error.reason}; a number that has a unit is better a parameter"
        ahead = look_ahead(formula)
        if scene is not None and ahead > scene:
            yield f"rule {rule.id!r} looks {ahead:g} s ahead, further than a scene of {scene:g} s"
