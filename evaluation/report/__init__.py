"""One self-contained HTML page about a run: leaderboard, families, failures with causes and pictures, commands."""

from evaluation.report.page import write_report

__all__ = ["write_report"]
