"""A small imitation planner: what can be learned from a set of scenes, and what a planner that sees nobody can get.

An instrument to measure scenes with, not a contender: one network of 80,000 weights copies the reference drives. The
learning value of a training set is its score in closed loop; ``sees="route"`` hides everything but the ego's past and
the route, and what such a planner scores has leaked.
"""
