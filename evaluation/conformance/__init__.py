"""Given trajectories in files, scored: cases of the reference scorers, and NAVSIM submissions (``drive score``)."""
