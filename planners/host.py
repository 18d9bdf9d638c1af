"""Hosts run a planner and keep it honest: it sees copies, its plans are checked, its exceptions become sentences."""

import os
import re
import traceback
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass, replace
from typing import TypeVar

import numpy as np

from drive.errors import PlannerError
from drive.observation import Observation
from planners import registry
from planners.contract import Context, Plan, Planner, PrivilegedContext, check_plan
from planners.registry import PlannerSpec

T = TypeVar("T")

_ADDRESS = re.compile(r"\b0x[0-9a-fA-F]{4,}")
_ABSOLUTE_PATH = re.compile(r"(?<![\w./])/(?:[^\s/'\":<>]+/)+")
_OURS = (__file__, registry.__file__)
_MAX_FRAMES = 20
_MAX_TEXT = 2000


class InProcessHost:
    """Runs one planner in this process. The planner is built at the first :meth:`reset`, not before.

    Whatever a planner does to the arrays it is given, the simulation does not notice: observation and scenario are
    copies, marked read-only so that an honest mistake is loud. Whatever it does to a plan after handing it over is not
    noticed either.
    """

    def __init__(self, spec: PlannerSpec) -> None:
        self.spec = spec
        self._planner: Planner | None = None
        self._min_horizon: float | None = None

    def reset(self, context: Context) -> None:
        """Begin a scene. A privileged planner needs a :class:`PrivilegedContext`; any other is never shown more than
        the plain :class:`Context`, whichever is given here.

        Raises:
            PlannerError: The planner cannot be built, or its constructor or ``reset`` raised.
        """
        self._min_horizon = None
        who = self.spec.name
        if self.spec.privileged and not isinstance(context, PrivilegedContext):
            raise PlannerError(f"{who}: is privileged and needs a PrivilegedContext with the scenario")
        if isinstance(context, PrivilegedContext) and not self.spec.privileged:
            context = context.public()
        if self._planner is None:
            self._planner = self._guard("its constructor", self.spec.build)
        planner = self._planner
        self._guard("reset()", lambda: planner.reset(isolated(context)))
        self._min_horizon = context.min_horizon

    def plan(self, observation: Observation) -> Plan:
        """Ask for a plan: candidates and scores float64, owned by the caller.

        Raises:
            PlannerError: ``plan`` raised (``traceback`` says where), or what it returned breaks the contract.
        """
        who = self.spec.name
        planner = self._planner
        if planner is None or self._min_horizon is None:
            raise PlannerError(f"{who}: plan() was asked before reset()")
        plan = self._guard("plan()", lambda: planner.plan(isolated(observation)))
        check_plan(plan, self._min_horizon, who)
        return Plan(
            np.array(plan.candidates, np.float64), np.array(plan.scores, np.float64), int(plan.chosen), float(plan.dt)
        )

    def _guard(self, where: str, call: Callable[[], T]) -> T:
        """Run somebody else's code; whatever it raises becomes a :class:`PlannerError`."""
        try:
            return call()
        except (Exception, SystemExit) as error:
            said = f"{self.spec.name}: {where} raised {type(error).__name__}: {_neutral(str(error))}"
            failure = PlannerError(" ".join(said.split()).rstrip(": "))
            failure.traceback = normalized_traceback(error)
            raise failure from error


def isolated(value: T) -> T:
    """A copy of a tree of dataclasses, tuples, mappings and arrays; the arrays are read-only."""
    copied: object = value
    if isinstance(value, np.ndarray):
        copied = value.copy()
        copied.setflags(write=False)
    elif is_dataclass(value) and not isinstance(value, type):
        copied = replace(value, **{item.name: isolated(getattr(value, item.name)) for item in fields(value)})
    elif isinstance(value, Mapping):
        copied = {key: isolated(item) for key, item in value.items()}
    elif type(value) in (tuple, list):
        copied = type(value)(isolated(item) for item in value)  # type: ignore[attr-defined, call-arg]
    return copied  # type: ignore[return-value]


def normalized_traceback(error: BaseException) -> str:
    """The traceback of an exception as text that is the same on every machine and in every run.

    One line per frame, ``file.py:12 in function``, with the toolkit's own frames around the planner left out, a long
    middle dropped, and memory addresses and folders taken out of the message. Exceptions that led to this one come
    first.
    """
    chain: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and current not in chain and len(chain) < 5:
        chain.append(current)
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
    return "\nthen, while that was handled:\n".join(_one(item) for item in reversed(chain))


def _one(error: BaseException) -> str:
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename not in _OURS]
    lines = [f"  {os.path.basename(frame.filename)}:{frame.lineno} in {frame.name}" for frame in frames]
    if len(lines) > _MAX_FRAMES:
        half = _MAX_FRAMES // 2
        # A runaway recursion ends at a depth that depends on the caller: its number of frames is no fact about it.
        lines = [*lines[:half], "  ...", *lines[-half:]]
    return "\n".join([*lines, f"{type(error).__name__}: {_neutral(str(error))}"])


def _neutral(text: str) -> str:
    text = _ABSOLUTE_PATH.sub("", _ADDRESS.sub("0x...", text))
    return text if len(text) <= _MAX_TEXT else text[:_MAX_TEXT] + " ..."
