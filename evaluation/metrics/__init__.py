"""Metrics that rank, each with a version. `base` says what a metric is, `drive_score` computes those of the closed
loop."""
