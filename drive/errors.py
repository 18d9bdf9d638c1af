"""Typed errors. Every message is one sentence that names the file or field, what was found and what to do."""


class DriveError(Exception):
    """Base of every error this toolkit raises on purpose; the command line prints it and exits with code 2."""


class DataError(DriveError):
    """A data set, scene file or map cannot be used."""


class ScenarioError(DataError):
    """A scenario breaks the invariants of :mod:`drive.scene`."""


class MapError(DataError):
    """A map breaks the invariants of :mod:`drive.map`."""


class SuiteError(DriveError):
    """A suite name, suite file or filter cannot be used."""


class PlannerError(DriveError):
    """A planner cannot be found or built, it raised, or what it returned breaks the contract.

    Attributes:
        traceback: Where the planner raised, the same text on every machine; empty where it did not raise.
    """

    traceback: str = ""


class RunError(DriveError):
    """A run folder is missing, damaged, or holds something else than asked for."""
