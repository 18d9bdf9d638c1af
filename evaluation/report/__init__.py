"""One self-contained HTML page about a run: leaderboard, families, failures with causes and pictures, commands."""
