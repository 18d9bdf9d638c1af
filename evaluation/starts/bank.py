"""Drives of 4 s from one moment: twenty-four drivers, and a lattice of blends around the reference's end."""

from collections.abc import Iterator
from functools import cache
from itertools import product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from drive.branch import Branch, Trunk
from drive.scene import DT
from drive.simulator import Tracker
from drive.vehicle import Ego
from evaluation.starts.certify import STAGE, comfortable
from evaluation.starts.way import Way, pace, quintic, shift, states_beside
from planners.contract import Context
from planners.host import InProcessHost
from planners.registry import resolve

Float = NDArray[np.float64]

ONCE = ("idm", "pdm_closed", "constant_velocity", "lane_follower", "stop")
REPLANNED = ("idm[headway=1.0]", "idm", "idm[headway=2.2]")
REPLAN = 10  # samples between two plans of these
FRACTIONS = (0.25, 0.5, 0.75, 1.0, 1.2)  # of the reference's speed
OFFSETS = (-0.5, 0.0, 0.5)  # m
BLEND = 20  # samples over which a lattice drive leaves the reference
AHEAD = (-4.0, -3.0, -2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0, 3.0, 4.0)  # m from the reference's end
ASIDE = (-0.75, -0.35, 0.0, 0.35, 0.75)  # m
SPEEDS = (0.75, 1.0, 1.2)  # of the reference's
TURNS = (-3.0, 0.0, 3.0)  # deg
LEAST_SPEED = 1.0  # m/s: a car that creeps cannot be displaced
SHARE = 0.8  # of the limits of comfort that a blend may use, or history comfort would fail everybody


class Drive(NamedTuple):
    """States ``[41, 11]`` from the moment on, and who drove."""

    name: str
    states: Float


def asked_once(trunk: Trunk, step: int) -> Iterator[Drive]:
    """Drives that follow one plan exactly to its end, of planners that plan in plain ways: where first-stage plans
    end. Those that are comfortable."""
    for name in ONCE:
        yield from _comfortable(trunk, Drive(f"{name}, one plan", _driven(trunk, name, step, STAGE, "perfect")))


def bank(trunk: Trunk, way: Way, step: int) -> Iterator[Drive]:
    """IDM with three headways, planning again every second, and fifteen fractions of the reference's speed at three
    offsets; those that are comfortable. With the reference and :func:`asked_once` these are twenty-four drivers.

    ``way`` is the reference's path, ``step`` the scene step at which they begin.
    """
    reference = trunk.scenario.reference[step : step + STAGE + 1]
    for name in REPLANNED:
        yield from _comfortable(trunk, Drive(name, _driven(trunk, name, step, REPLAN, "lqr")))
    s, d = way.locate(reference[:1, :2])
    speed, pedal = float(reference[0, Ego.VX]), float(reference[0, Ego.AX])
    for fraction, offset in product(FRACTIONS, OFFSETS):
        arcs = pace(float(s[0]), speed, pedal, fraction * reference[1:, Ego.VX])
        aside, slope = shift(arcs, (float(d[0]), 0.0), offset, max(2.5 * speed, 8.0))
        states = states_beside(way, arcs, aside, slope, trunk.scenario.ego_vehicle)
        states[0] = reference[0]
        yield from _comfortable(trunk, Drive(f"{fraction:g} of the speed, {offset:+g} m", states))


def lattice(trunk: Trunk, way: Way, step: int) -> Iterator[Drive]:
    """Drives that leave the reference 2 s before the end and end beside, before, behind it, faster, slower or turned;
    those that are comfortable enough."""
    reference = trunk.scenario.reference[step : step + STAGE + 1]
    s, d = way.locate(reference[:, :2])
    speed, pedal = reference[:, Ego.VX], reference[:, Ego.AX]
    time = DT * np.arange(1, BLEND + 1)
    turn = STAGE - BLEND
    for more, aside, factor, degrees in product(AHEAD, ASIDE, SPEEDS, TURNS):
        final = factor * float(speed[-1])
        if final < LEAST_SPEED or speed[turn] < LEAST_SPEED:
            continue
        begin = (float(s[turn]), float(speed[turn]), float(pedal[turn]))
        arcs = quintic(begin, (float(s[-1]) + more, final, 0.0), BLEND * DT, time)
        rate = np.gradient(arcs, DT)
        if rate.min() < 0.3 or np.abs(np.gradient(rate, DT)).max() > 6.0:
            continue
        rising = final * np.tan(np.deg2rad(degrees))
        offset = quintic((float(d[turn]), 0.0, 0.0), (float(d[-1]) + aside, rising, 0.0), BLEND * DT, time)
        all_s, all_d = np.concatenate((s[: turn + 1], arcs)), np.concatenate((d[: turn + 1], offset))
        slope = np.gradient(all_d, DT) / np.maximum(np.gradient(all_s, DT), 0.3)
        states = states_beside(way, all_s, all_d, slope, trunk.scenario.ego_vehicle)
        states[: turn + 1] = reference[: turn + 1]
        if comfortable(trunk.scenario, states, SHARE):
            yield Drive(f"{more:+g} m, {aside:+g} m aside, {factor:g} of the speed, {degrees:+g} deg", states)


def _comfortable(trunk: Trunk, drive: Drive) -> list[Drive]:
    return [drive] if comfortable(trunk.scenario, drive.states, 1.0) else []


def _driven(trunk: Trunk, model: str, step: int, every: int, tracker: Tracker) -> Float:
    host, car = _host(model), trunk.scenario.ego_vehicle
    branch = Branch(trunk, step, STAGE)
    host.reset(Context(car, DT, every * DT, STAGE * DT, seed=0))
    for _ in range(0, STAGE, every):
        plan = host.plan(branch.observe())
        branch.follow(plan.candidates[plan.chosen], plan.dt, every, tracker)
    return branch.ego[-STAGE - 1 :]


@cache
def _host(model: str) -> InProcessHost:
    return InProcessHost(resolve(model))
