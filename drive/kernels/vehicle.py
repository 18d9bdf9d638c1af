"""Compiled ego motion: reference profiles of a plan, LQR tracking, kinematic bicycle.

The tracker is nuPlan's two-stage controller (nuPlan devkit 1.2, `LQRTracker` and `KinematicBicycleModel`) with the
regulariser on differences of accelerations that its authors describe; NAVSIM's copy of it has a defect and is another
tracker. Both least-squares fits are written in the velocities and curvatures themselves, where the normal equations are
banded: O(poses) instead of a pseudo-inverse, same minimiser.
"""

import math

import numpy as np
from numpy.typing import NDArray

from drive.kernels import kernel
from drive.kernels.geometry import wrap

Float = NDArray[np.float64]

STEP = 0.1
LOOKAHEAD = 10  # steps of the LQR horizon
ACCELERATION_LAG = 0.2  # s
STEERING_LAG = 0.05  # s
MAX_STEERING = math.pi / 3
STOPPING_SPEED = 0.2  # m/s
# The reference controller has no actuator limits: a plan could brake at 13 m/s2. Tyres on dry asphalt cannot.
MAX_BRAKING = 8.0
MAX_ACCELERATION = 5.0


@kernel
def resample_plan(plan: Float, dt: float, x: float, y: float, heading: float) -> Float:
    """Poses ``[M + 1, 3]`` every 0.1 s in the scene frame, pose 0 the ego now.

    ``plan [N, 3]`` is in the ego frame, pose n at ``(n + 1) * dt``. Positions are interpolated linearly, headings the
    short way round, as NAVSIM and nuPlan do.
    """
    count = len(plan)
    steps = math.floor(count * dt / STEP + 1e-6)
    poses = np.empty((steps + 1, 3))
    poses[0, 0], poses[0, 1], poses[0, 2] = x, y, heading
    cos, sin = math.cos(heading), math.sin(heading)
    for i in range(1, steps + 1):
        at = i * STEP / dt
        n = min(count - 1, max(0, math.ceil(at - 1e-9) - 1))  # pose that ends the interval
        part = min(1.0, at - n)
        x0, y0, h0 = (plan[n - 1, 0], plan[n - 1, 1], plan[n - 1, 2]) if n > 0 else (0.0, 0.0, 0.0)
        px, py = x0 + part * (plan[n, 0] - x0), y0 + part * (plan[n, 1] - y0)
        poses[i, 0] = x + cos * px - sin * py
        poses[i, 1] = y + sin * px + cos * py
        poses[i, 2] = wrap(heading + h0 + part * wrap(plan[n, 2] - h0))
    return poses


@kernel
def velocity_profile(poses: Float) -> Float:
    """Speeds ``[M]`` [m/s] along poses ``[M + 1, 3]`` at 0.1 s.

    Minimises sum (v_i dt - d_i)^2 + 1e-4 sum (a_{i+1} - a_i)^2, d_i the displacement along the heading and a the
    differences of v over dt. In v both terms have the same weight: a pentadiagonal system, solved by LDL'.
    """
    count = len(poses) - 1
    weight = 1e-4 / STEP**4
    diagonal, first, second = np.ones(count), np.zeros(count), np.zeros(count)
    right = np.empty(count)
    for i in range(count):
        h = poses[i, 2]
        along = (poses[i + 1, 0] - poses[i, 0]) * math.cos(h) + (poses[i + 1, 1] - poses[i, 1]) * math.sin(h)
        right[i] = along / STEP
    for i in range(count - 2):  # second difference 1, -2, 1
        diagonal[i] += weight
        diagonal[i + 1] += 4 * weight
        diagonal[i + 2] += weight
        first[i] -= 2 * weight
        first[i + 1] -= 2 * weight
        second[i] += weight
    for i in range(count):  # elimination; first[i], second[i] become the factors below the diagonal
        for ahead in range(1, min(3, count - i)):
            band = first[i] if ahead == 1 else second[i]
            factor = band / diagonal[i]
            right[i + ahead] -= factor * right[i]
            if ahead == 1:
                diagonal[i + 1] -= factor * first[i]
                first[i + 1] -= factor * second[i]
            else:
                diagonal[i + 2] -= factor * second[i]
    for i in range(count - 1, -1, -1):
        value = right[i]
        if i + 1 < count:
            value -= first[i] * right[i + 1]
        if i + 2 < count:
            value -= second[i] * right[i + 2]
        right[i] = value / diagonal[i]
    return right


@kernel
def curvature_profile(poses: Float, speed: Float) -> Float:
    """Curvatures ``[M]`` [1/m] along poses ``[M + 1, 3]`` at 0.1 s driven at ``speed [M]``.

    Minimises sum (v_i dt k_i - dheading_i)^2 + 1e-2 sum rate^2 + 1e-10 k_0^2, rate the differences of k over dt.
    """
    count = len(poses) - 1
    weight = 1e-2 / STEP**2
    diagonal, right = np.empty(count), np.empty(count)
    for i in range(count):
        turn = wrap(poses[i + 1, 2] - poses[i, 2])
        arm = speed[i] * STEP
        neighbors = min(i, 1) + min(count - 1 - i, 1)
        diagonal[i] = arm * arm + weight * neighbors
        right[i] = arm * turn
    diagonal[0] += 1e-10
    for i in range(1, count):
        factor = -weight / diagonal[i - 1]
        diagonal[i] += factor * weight
        right[i] -= factor * right[i - 1]
    for i in range(count - 1, -1, -1):
        value = right[i] + (weight * right[i + 1] if i + 1 < count else 0.0)
        right[i] = value / diagonal[i]
    return right


@kernel
def lqr_command(
    state: Float, poses: Float, speeds: Float, curvatures: Float, k: int, wheelbase: float
) -> tuple[float, float]:
    """Acceleration [m/s2] and steering rate [rad/s] that pull ``state [11]`` to reference pose ``k``."""
    last = len(speeds) - 1
    speed = state[3]
    target = speeds[min(k + LOOKAHEAD, last)]
    if target <= STOPPING_SPEED and speed <= STOPPING_SPEED:
        return -0.5 * (speed - target), 0.0
    horizon = LOOKAHEAD * STEP
    acceleration = -(10.0 * horizon) / (10.0 * horizon * horizon + 1.0) * (speed - target)
    ex, ey = state[0] - poses[k, 0], state[1] - poses[k, 1]
    cos, sin = math.cos(poses[k, 2]), math.sin(poses[k, 2])
    # free response x (lateral error, heading error, steering) and response b to a constant steering rate
    x0, x1, x2 = -ex * sin + ey * cos, wrap(state[2] - poses[k, 2]), state[7]
    b0, b1, b2 = 0.0, 0.0, 0.0
    for n in range(LOOKAHEAD):
        v = speed + n * STEP * acceleration
        curvature = curvatures[min(k + n, last)]
        x0, x1 = x0 + v * STEP * x1, x1 + v * STEP * (x2 / wheelbase - curvature)
        b0, b1, b2 = b0 + v * STEP * b1, b1 + v * STEP * b2 / wheelbase, b2 + STEP
    x1 = wrap(x1)
    return acceleration, -(b0 * x0 + 10.0 * b1 * x1) / (b0 * b0 + 10.0 * b1 * b1 + 1.0)


@kernel
def bicycle_step(state: Float, after: Float, command: float, steering_rate: float, wheelbase: float) -> None:
    """Write into ``after [11]`` the ego state 0.1 s after ``state [11]``: explicit Euler, lagged actuators."""
    speed, heading, steering = state[3], state[2], state[7]
    acceleration = state[5] + STEP / (STEP + ACCELERATION_LAG) * (command - state[5])
    acceleration = min(MAX_ACCELERATION, max(-MAX_BRAKING, acceleration))
    rate = STEP / (STEP + STEERING_LAG) * steering_rate
    after[0] = state[0] + speed * math.cos(heading) * STEP
    after[1] = state[1] + speed * math.sin(heading) * STEP
    after[2] = wrap(heading + speed * math.tan(steering) / wheelbase * STEP)
    after[3] = speed + acceleration * STEP
    after[4] = 0.0
    after[5] = acceleration
    after[7] = min(MAX_STEERING, max(-MAX_STEERING, steering + rate * STEP))
    after[8] = rate
    after[9] = after[3] * math.tan(after[7]) / wheelbase
    after[6] = after[3] * after[9]
    after[10] = (after[9] - state[9]) / STEP


@kernel
def perfect_step(
    state: Float, after: Float, poses: Float, speeds: Float, curvatures: Float, k: int, wheelbase: float
) -> None:
    """Write into ``after [11]`` reference pose ``k + 1``; speed and curvature come from the fitted profiles."""
    n = min(k + 1, len(poses) - 1)
    m = min(n, len(speeds) - 1)
    after[0], after[1], after[2] = poses[n, 0], poses[n, 1], poses[n, 2]
    after[3] = speeds[m]
    after[4] = 0.0
    after[5] = (speeds[m] - speeds[m - 1]) / STEP if m > 0 else 0.0
    after[7] = math.atan(curvatures[m] * wheelbase)
    after[8] = (after[7] - state[7]) / STEP
    after[9] = speeds[m] * curvatures[m]
    after[6] = speeds[m] * after[9]
    after[10] = (after[9] - state[9]) / STEP
