"""NAVSIM's scorer as pure functions of arrays: EPDMS v2 (``epdms@2.2``) and PDMS v1 (``pdms@1``), defects included.

``inputs`` says what the scorer is given; ``tracking`` simulates plans with NAVSIM's tracker; ``scorer`` computes the
sub-metrics of simulated states; ``comfort`` holds history comfort and extended comfort. ``route`` and ``pdm_closed``
make the reference trajectory that progress is measured against, ``keyframes`` and ``reactive`` the traffic.

Reference: NAVSIM v2 (Dauner et al. 2024; Cao et al. 2025), package version 2.0.0.
"""
