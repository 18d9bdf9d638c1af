"""Packed scenes come back to the last bit."""

import lzma
from dataclasses import replace

import numpy as np
import pytest

from drive.errors import DataError
from scenarios.codec import scenario_digest
from scenarios.packed import pack, unpack
from tests.scenarios.generated import scene

FAMILIES = ("F03", "F11", "F18", "F26")


def test_generated_scenes_survive_being_packed() -> None:
    scenarios = [scene(family, 0) for family in FAMILIES]
    content = pack(scenarios)
    assert [scenario_digest(item) for item in unpack(content, "it")] == [scenario_digest(item) for item in scenarios]
    assert len(content) < 80_000 * len(scenarios)


def test_numbers_of_any_number_of_decimals_survive_and_negative_zeros() -> None:
    scenario = replace(scene("F03", 0), goal=np.array((np.pi, -0.0)))
    (again,) = unpack(pack([scenario]), "it")
    assert scenario_digest(again) == scenario_digest(scenario)


@pytest.mark.parametrize(
    "content", [b"", b"nonsense", pack([])[:-4], lzma.compress(b""), lzma.compress(b"PK\x03\x04 nonsense")]
)
def test_a_damaged_file_is_one_sentence(content: bytes) -> None:
    with pytest.raises(DataError, match="the packed scenes in it are damaged"):
        unpack(content, "it")
