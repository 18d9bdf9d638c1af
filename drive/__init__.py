"""The world: scene model, map, vehicle, trackers, traffic, simulator, observation and scoring functions."""
