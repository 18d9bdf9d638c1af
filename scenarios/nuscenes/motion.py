"""Ego and agents of one nuScenes scene on the 10 Hz grid: ego poses interpolated, 2 Hz annotations filled in."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.signal import savgol_filter

from drive.errors import DataError
from drive.geometry import wrap_angle
from drive.scene import DT, AgentKind
from drive.vehicle import EGO_COLUMNS, Ego, VehicleParameters
from scenarios.nuscenes.tables import Record, check_increasing, numbers

Float = NDArray[np.float64]
Times = NDArray[np.int64]

STEP_US = 100_000
# The devkit's own limit (`box_velocity`): annotations further apart are not the same continuous motion.
MAX_GAP_US = 1_500_000
# Savitzky-Golay window of 1.1 s, order 2, as the drives were measured for the generator.
WINDOW = 11
MIN_CURVATURE_SPEED = 0.5
MAX_CURVATURE = 1 / 3.5
# Beyond these [m] a box or a place can only be damage: no vehicle is that long, no nuScenes map that wide.
_LARGEST = 100.0
_FARTHEST = 1e5

KINDS = {
    "vehicle.car": AgentKind.CAR,
    "vehicle.truck": AgentKind.TRUCK,
    "vehicle.bus.bendy": AgentKind.BUS,
    "vehicle.bus.rigid": AgentKind.BUS,
    "vehicle.trailer": AgentKind.TRAILER,
    "vehicle.construction": AgentKind.CONSTRUCTION_VEHICLE,
    "vehicle.emergency.ambulance": AgentKind.EMERGENCY,
    "vehicle.emergency.police": AgentKind.EMERGENCY,
    "vehicle.motorcycle": AgentKind.MOTORCYCLE,
    "vehicle.bicycle": AgentKind.BICYCLE,
    "human.pedestrian.adult": AgentKind.PEDESTRIAN,
    "human.pedestrian.child": AgentKind.PEDESTRIAN,
    "human.pedestrian.wheelchair": AgentKind.PEDESTRIAN,
    "human.pedestrian.stroller": AgentKind.PEDESTRIAN,
    "human.pedestrian.personal_mobility": AgentKind.PEDESTRIAN,
    "human.pedestrian.police_officer": AgentKind.PEDESTRIAN,
    "human.pedestrian.construction_worker": AgentKind.PEDESTRIAN,
    "animal": AgentKind.GENERIC_OBJECT,
    "movable_object.barrier": AgentKind.BARRIER,
    "movable_object.trafficcone": AgentKind.TRAFFIC_CONE,
    "movable_object.pushable_pullable": AgentKind.GENERIC_OBJECT,
    "movable_object.debris": AgentKind.GENERIC_OBJECT,
    "static_object.bicycle_rack": AgentKind.GENERIC_OBJECT,
}


@dataclass(frozen=True)
class Motion:
    """Motion of A agents at n grid times, global frame: ``position [A, n, 2]`` m (box centres), ``heading [A, n]`` rad,
    ``velocity [A, n, 2]`` m/s, ``valid [A, n]``, ``size [A, 2]`` m, ``kind [A]``, and ``ids`` (instance tokens).
    ``single``: tracks with one annotation. ``unmeasured``: annotations whose velocity the devkit gives as NaN."""

    ids: tuple[str, ...]
    kind: NDArray[np.int8]
    size: Float
    position: Float
    heading: Float
    velocity: Float
    valid: NDArray[np.bool_]
    single: int
    unmeasured: int


def grid(first_us: int, last_us: int) -> Times:
    """Time stamps [us] every 0.1 s from the first up to at most the last."""
    return np.arange(first_us, last_us + 1, STEP_US, dtype=np.int64)


def yaw(quaternions: Float) -> Float:
    """Heading [rad] of rotations ``[n, 4]`` (w, x, y, z): direction of the rotated x axis in the ground plane."""
    w, x, y, z = np.moveaxis(quaternions, -1, 0)
    return np.arctan2(2 * (x * y + w * z), w * w + x * x - y * y - z * z)


def interpolate(times: Times, poses: Float, at: Times) -> Float:
    """Poses ``[n, 3]`` (x, y [m], heading [rad]) at other times: linear, in heading the shorter way round."""
    base = float(times[0])
    x, y, heading = (
        np.interp(at - base, times - base, column) for column in (poses[:, 0], poses[:, 1], np.unwrap(poses[:, 2]))
    )
    return np.stack((x, y, wrap_angle(heading)), axis=-1)


def ego_poses(data: Any, scene: Record, samples: list[Record]) -> tuple[Times, Float]:
    """Recorded rear-axle poses ``[n, 3]`` (global frame) and their time stamps [us], from the LIDAR_TOP stream.

    Raises:
        DataError: No such stream, it ends early, or a pose is not finite.
    """
    name = scene["name"]
    token = samples[0]["data"].get("LIDAR_TOP")
    if token is None:
        raise DataError(f"{name}: its first sample has no LIDAR_TOP key frame in sample_data.json, so no ego pose")
    records: list[Record] = []
    last = samples[-1]["timestamp"]
    while token:
        record = data.get("sample_data", token)
        if records and record["timestamp"] <= records[-1]["timestamp"]:
            check_increasing(np.array([1, 0]), [records[-1], record], "sample_data", name)
        records.append(record)
        token = record["next"] if record["timestamp"] < last else ""
    if last - records[-1]["timestamp"] > STEP_US // 2:
        missing = (last - records[-1]["timestamp"]) / 1e6
        raise DataError(
            f"{name}: LIDAR_TOP poses end {missing:.1f} s before the last sample; sample_data.json is damaged"
        )
    times = numbers(records, "timestamp", (), "sample_data", name).astype(np.int64)
    poses = [data.get("ego_pose", record["ego_pose_token"]) for record in records]
    return times, _planar(poses, "ego_pose", name)


def ego_states(poses: Float, vehicle: VehicleParameters) -> Float:
    """Ego states ``[n, 11]`` from rear-axle poses ``[n, 3]`` every 0.1 s, n >= 11.

    Poses are kept as they are; speed, acceleration and yaw rate come from Savitzky-Golay derivatives, the steering
    angle from the kinematic bicycle: atan(wheelbase * curvature). The rear axle does not slip: lateral velocity 0.
    """

    def derivative(values: Float) -> Float:
        return np.asarray(savgol_filter(values, WINDOW, 2, deriv=1, delta=DT, axis=0, mode="interp"))

    velocity = derivative(poses[:, :2])
    forward = np.stack((np.cos(poses[:, 2]), np.sin(poses[:, 2])), axis=-1)
    speed = (velocity * forward).sum(axis=1)
    yaw_rate = derivative(np.unwrap(poses[:, 2]))
    steering = np.arctan(vehicle.wheelbase * _curvature(speed, yaw_rate))
    states = np.zeros((len(poses), EGO_COLUMNS))
    states[:, : Ego.VX] = poses
    states[:, Ego.VX] = speed
    states[:, Ego.AX] = derivative(speed)
    states[:, Ego.AY] = speed * yaw_rate
    states[:, Ego.STEERING] = steering
    states[:, Ego.STEERING_RATE] = derivative(steering)
    states[:, Ego.YAW_RATE] = yaw_rate
    states[:, Ego.YAW_ACCELERATION] = derivative(yaw_rate)
    return states


def _curvature(speed: Float, yaw_rate: Float) -> Float:
    """Curvature [1/m] of the path; while (nearly) standing it is carried over from where the car moves."""
    moving = np.flatnonzero(np.abs(speed) >= MIN_CURVATURE_SPEED)
    if not moving.size:
        return np.zeros_like(speed)
    known = np.clip(yaw_rate[moving] / speed[moving], -MAX_CURVATURE, MAX_CURVATURE)
    return np.interp(np.arange(len(speed)), moving, known)


def agents(data: Any, scene: Record, samples: list[Record], times: Times) -> Motion:
    """All annotated agents of a scene at the grid times, in order of appearance.

    Positions are linear between annotations and headings turn the shorter way; velocities are the devkit's
    ``box_velocity`` at annotations, linear in between. A track is never valid outside its first to last annotation; one
    with a single annotation is valid at the nearest grid time only, standing.

    Raises:
        DataError: An annotation is not finite, has no size, is doubled, or belongs to an unknown category.
    """
    name = scene["name"]
    tracks: dict[str, list[Record]] = {}
    when: dict[str, int] = {sample["token"]: int(sample["timestamp"]) for sample in samples}
    for sample in samples:
        for token in sample["anns"]:
            record = data.get("sample_annotation", token)
            track = tracks.setdefault(record["instance_token"], [])
            if track and track[-1]["sample_token"] == record["sample_token"]:
                raise DataError(f"{name}: sample_annotation {token!r} repeats its instance in the same sample")
            track.append(record)
    count, steps = len(tracks), len(times)
    motion = Motion(
        tuple(tracks),
        np.zeros(count, np.int8),
        np.zeros((count, 2)),
        np.zeros((count, steps, 2)),
        np.zeros((count, steps)),
        np.zeros((count, steps, 2)),
        np.zeros((count, steps), np.bool_),
        sum(len(track) == 1 for track in tracks.values()),
        0,
    )
    unmeasured = 0
    for row, track in enumerate(tracks.values()):
        _check_chain(track, name)
        motion.kind[row] = _kind(track[0], name)
        motion.size[row] = np.median(_sizes(track, name), axis=0)[[1, 0]]
        marks = np.array([when[record["sample_token"]] for record in track], np.int64)
        poses = _planar(track, "sample_annotation", name)
        velocity = np.array([data.box_velocity(record["token"])[:2] for record in track])
        unmeasured += int(np.isnan(velocity).any(axis=1).sum())
        velocity = _measured(velocity, marks, poses)
        motion.valid[row] = valid = _covered(marks, times)
        found = interpolate(marks, poses, times[valid])
        motion.position[row, valid] = found[:, :2]
        motion.heading[row, valid] = found[:, 2]
        for axis in range(2):
            motion.velocity[row, valid, axis] = np.interp(times[valid] - marks[0], marks - marks[0], velocity[:, axis])
    return Motion(**{**vars(motion), "unmeasured": unmeasured})


def _check_chain(track: list[Record], scene: str) -> None:
    """The devkit takes velocities along prev and next: they have to lead through the instance in order of time."""
    for before, after in pairwise(track):
        for record, field, other in ((before, "next", after), (after, "prev", before)):
            if record[field] != other["token"]:
                raise DataError(
                    f"{scene}: {field} of sample_annotation {record['token']!r} is {record[field]!r}, but the instance "
                    f"goes on with {other['token']!r}; sample_annotation.json is damaged"
                )
    if track[0]["prev"] or track[-1]["next"]:
        raise DataError(
            f"{scene}: instance {track[0]['instance_token']!r} has annotations outside the scene; "
            "sample_annotation.json is damaged"
        )


def _covered(marks: Times, times: Times) -> NDArray[np.bool_]:
    if len(marks) == 1:
        nearest = np.zeros(len(times), np.bool_)
        nearest[int(np.abs(times - marks[0]).argmin())] = True
        return nearest
    after = np.clip(np.searchsorted(marks, times, side="left"), 1, len(marks) - 1)
    inside = (times >= marks[0]) & (times <= marks[-1])
    continuous = marks[after] - marks[after - 1] <= MAX_GAP_US
    return inside & (continuous | (times == marks[after]) | (times == marks[after - 1]))


def _measured(velocity: Float, marks: Times, poses: Float) -> Float:
    """Replace NaN rows: by the difference to the nearer neighbour, or zero for a single annotation."""
    for row in np.flatnonzero(np.isnan(velocity).any(axis=1)):
        others = [other for other in (row - 1, row + 1) if 0 <= other < len(marks)]
        if not others:
            velocity[row] = 0.0
            continue
        other = min(others, key=lambda index: abs(marks[index] - marks[row]))
        velocity[row] = (poses[other, :2] - poses[row, :2]) / ((marks[other] - marks[row]) * 1e-6)
    return velocity


def _kind(record: Record, scene: str) -> AgentKind:
    kind = KINDS.get(record["category_name"])
    if kind is None:
        raise DataError(
            f"{scene}: instance {record['instance_token']!r} has category {record['category_name']!r}, "
            "which is not one of nuScenes' 23 classes"
        )
    return kind


def _sizes(track: list[Record], scene: str) -> Float:
    sizes = numbers(track, "size", (3,), "sample_annotation", scene)
    bad = np.flatnonzero(((sizes[:, :2] <= 0) | (sizes[:, :2] > _LARGEST)).any(axis=1))
    if bad.size:
        record = track[int(bad[0])]
        raise DataError(
            f"{scene}: sample_annotation {record['token']!r} has size {record['size']}, "
            f"width and length must be positive and below {_LARGEST:.0f} m"
        )
    return sizes


def _planar(records: list[Record], table: str, scene: str) -> Float:
    position = numbers(records, "translation", (3,), table, scene)
    rotation = numbers(records, "rotation", (4,), table, scene)
    far = np.flatnonzero((np.abs(position[:, :2]) > _FARTHEST).any(axis=1))
    if far.size:
        record = records[int(far[0])]
        raise DataError(f"{scene}: {table} {record['token']!r} has translation {record['translation']}, off every map")
    flat = np.flatnonzero(np.linalg.norm(rotation, axis=1) < 1e-6)
    if flat.size:
        raise DataError(
            f"{scene}: {table} {records[int(flat[0])]['token']!r} has rotation 0 0 0 0, expected a quaternion"
        )
    return np.column_stack((position[:, :2], yaw(rotation)))
