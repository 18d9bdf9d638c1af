"""How well: suites, runs, metrics and their versions, statistics, leaderboard, report and the ``drive`` command line."""
