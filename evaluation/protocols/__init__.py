"""How planners are asked and judged: ``closed-loop``, ``navsim``, ``nuplan``; :func:`protocol` finds one by name."""

from typing import Literal

from evaluation.protocols.base import Protocol

Name = Literal["closed-loop", "navsim", "nuplan"]


def protocol(name: Name) -> Protocol:
    """The protocol ``name``."""
    if name == "navsim":
        from evaluation.protocols.navsim import Navsim

        return Navsim()
    if name == "nuplan":
        from evaluation.protocols.nuplan import Nuplan

        return Nuplan()
    from evaluation.protocols.closed_loop import ClosedLoop

    return ClosedLoop()
