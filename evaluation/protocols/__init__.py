"""How planners are asked and judged: ``closed-loop``, ``navsim``, ``nuplan``, ``two-stage``; :func:`protocol` finds one
by name."""

from typing import TYPE_CHECKING, Literal

from evaluation.protocols.base import Protocol

if TYPE_CHECKING:
    from scenarios.store import Store

Name = Literal["closed-loop", "navsim", "nuplan", "two-stage"]


def protocol(name: Name, store: "Store | None" = None) -> Protocol:
    """The protocol ``name``; what it derives from scenes is kept in ``store``."""
    if name == "navsim":
        from evaluation.protocols.navsim import Navsim

        return Navsim()
    if name == "nuplan":
        from evaluation.protocols.nuplan import Nuplan

        return Nuplan()
    if name == "two-stage":
        from evaluation.protocols.two_stage import TwoStage

        return TwoStage(store)
    from evaluation.protocols.closed_loop import ClosedLoop

    return ClosedLoop()
