"""How well: suites, runs, metrics with versions, statistics, leaderboard, report and the ``drive`` command line."""
