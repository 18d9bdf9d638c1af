"""Starts of a two-stage evaluation: where plans are asked first, and where a drive may be 4 s later.

They belong to a scene, not to a planner: derived once, kept in the store. Source: NAVSIM v2 ("Pseudo-simulation for
autonomous driving", arXiv 2506.04218); here the second stage comes out of the simulated world itself.
"""
