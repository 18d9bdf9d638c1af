"""Baselines: planners to compare with, one readable file each."""
