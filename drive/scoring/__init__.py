"""Scoring as pure functions of arrays: what happened in a rollout, by family. Nothing here ranks;
`evaluation.metrics` does.

Prepare once per scene (:func:`drive.scoring.scene_geometry.compile_geometry`), describe the drive
(:mod:`drive.scoring.motion`), then ask one family: ``ego_areas``, ``collision``, ``off_road``, ``direction``,
``red_light``, ``progress``, ``time_to_collision``, ``comfort``, ``speed``.

Sample ``s`` of a rollout is ``s * 0.1`` s after the scene's start. Shapes: S samples, A agents, L lanes, C lanes the
ego touches, M stop lines.
"""
