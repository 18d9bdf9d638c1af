"""The audit of a suite: whether its scenes tell planners apart, and what they are made of."""
