"""Planners for tests of the runner: good ones, slow ones, and every way to fail."""

import os
import signal
import sys
import time

import numpy as np

from drive.observation import Observation
from drive.vehicle import Ego
from planners.contract import Context, Plan, Planner


def straight(speed: float) -> Plan:
    return Plan.single(np.column_stack((speed * 0.5 * np.arange(1, 9), np.zeros(8), np.zeros(8))))


class Straight(Planner):
    def plan(self, observation: Observation) -> Plan:
        return straight(observation.ego[-1, Ego.VX])


class Wobbling(Planner):
    """Random from the seed it is given: the same only if seeds do not depend on order, workers or batches."""

    def reset(self, context: Context) -> None:
        self.rng = np.random.default_rng(context.seed)

    def plan(self, observation: Observation) -> Plan:
        return straight(observation.ego[-1, Ego.VX] + self.rng.normal())


class Slow(Straight):
    def plan(self, observation: Observation) -> Plan:
        time.sleep(0.02)
        return super().plan(observation)


class Fails(Planner):
    """Fails in the scenes whose ego is fast at the start, in the way it is told."""

    def __init__(self, how: str = "raise", above: float = 9.0) -> None:
        self.how = how
        self.above = above
        if how == "init":
            raise RuntimeError("no weights found")

    def reset(self, context: Context) -> None:
        if self.how == "reset":
            raise RuntimeError("cannot begin")

    def plan(self, observation: Observation) -> Plan:
        if observation.time < 1.0 or observation.ego[-1, Ego.VX] <= self.above:
            return straight(observation.ego[-1, Ego.VX])
        good = straight(10.0)
        if self.how == "raise":
            raise ValueError(f"lost at {self!r}")
        if self.how == "nan":
            good.candidates[0, 3, 1] = np.nan
        if self.how == "shape":
            return Plan(good.candidates[..., :2], good.scores)
        if self.how == "short":
            return Plan.single(good.candidates[0, :2])
        if self.how == "none":
            return None  # type: ignore[return-value]
        if self.how == "sys.exit":
            sys.exit(3)
        if self.how == "os._exit":
            os._exit(1)
        if self.how == "segfault":
            os.kill(os.getpid(), signal.SIGSEGV)
        return good
