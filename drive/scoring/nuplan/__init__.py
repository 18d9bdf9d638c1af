"""nuPlan's closed-loop score and simulation on plain arrays: ``nuplan_cls@1``.

Reproduces nuplan-devkit 1.2.2 number by number, its surprises included; one module per metric. ``inputs`` defines what
goes in, ``score`` puts the metrics together, ``simulation`` and ``idm`` make the drives.
"""
