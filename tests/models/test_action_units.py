"""Action units: the map from coefficients, and the emotions' faces."""

from __future__ import annotations

import pytest
import torch
from synchrorama.models.motion.action_unit_plot import read_action_units
from synchrorama.models.motion.action_units import (
    ACTION_UNITS,
    action_units,
    matrix,
    prototype_coefficients,
    prototypes,
    read_emotion,
)
from synchrorama.models.types import ARKIT_INDEX, ARKIT_NAMES, EMOTIONS, Motion


def a_motion(coefficients: torch.Tensor) -> Motion:
    still = torch.zeros(len(coefficients), 3)
    return Motion(coefficients=coefficients, head_rotation=still, head_translation=still, fps=25.0)


def test_map_averages_the_coefficients_of_a_unit() -> None:
    units = matrix()
    assert units.shape == (20, 52)
    assert torch.allclose(units.sum(1), torch.ones(20))
    face = torch.zeros(3, len(ARKIT_NAMES))
    face[1, ARKIT_INDEX["mouthSmileLeft"]] = 1.0
    face[2, ARKIT_INDEX["browInnerUp"]] = 0.4
    read = action_units(face)
    assert read[0].abs().max() == 0
    assert read[1, ACTION_UNITS.index(12)] == 0.5
    assert read[2, ACTION_UNITS.index(1)] == pytest.approx(0.4)
    assert read[1].count_nonzero() == read[2].count_nonzero() == 1


def test_prototypes_hold_what_all_sources_agree_on() -> None:
    table = prototypes()
    whole = {
        name: {u for u, s in zip(ACTION_UNITS, row.tolist(), strict=True) if s > 0.995}
        for name, row in zip(EMOTIONS, table, strict=True)
    }
    assert whole["happy"] == {12}
    assert whole["sad"] == {4, 15}
    assert whole["surprised"] == {1, 2, 26}
    assert whole["fearful"] == {1, 4, 20}
    assert whole["angry"] == {4, 7, 24}
    assert table[EMOTIONS.index("neutral")].abs().max() == 0
    assert table[EMOTIONS.index("disgusted"), ACTION_UNITS.index(9)] == pytest.approx(2 / 3)


def test_faces_show_their_prototype_and_contempt_one_side() -> None:
    faces = prototype_coefficients()
    assert faces.min() >= 0 and faces.max() <= 1
    assert torch.allclose(action_units(faces), prototypes(), atol=1e-6)
    contempt = faces[EMOTIONS.index("contemptuous")]
    assert contempt[ARKIT_INDEX["mouthSmileRight"]] == 1
    assert contempt[ARKIT_INDEX["mouthSmileLeft"]] == 0


@pytest.mark.parametrize("strength", [0.25, 1.0])
def test_a_prototype_reads_as_itself_over_any_speech(strength: float) -> None:
    speech = torch.rand(len(ARKIT_NAMES), generator=torch.Generator().manual_seed(3)) * 0.4
    likeness = read_emotion(speech + strength * prototype_coefficients(), speech)
    assert [EMOTIONS[i] for i in likeness.argmax(1).tolist()] == list(EMOTIONS)


def test_one_raised_corner_is_contempt_and_both_are_a_smile() -> None:
    face = torch.zeros(2, len(ARKIT_NAMES))
    face[:, ARKIT_INDEX["mouthSmileRight"]] = 0.5
    face[1, ARKIT_INDEX["mouthSmileLeft"]] = 0.5
    read = read_emotion(face, torch.zeros(len(ARKIT_NAMES))).argmax(1).tolist()
    assert [EMOTIONS[i] for i in read] == ["contemptuous", "happy"]


def test_a_face_that_hardly_moves_reads_as_neutral() -> None:
    still = torch.zeros(len(ARKIT_NAMES))
    likeness = read_emotion(0.05 * prototype_coefficients()[3], still)
    assert likeness.argmax() == EMOTIONS.index("neutral")


def test_readout_has_a_row_and_a_track_for_each_unit() -> None:
    face = torch.zeros(50, len(ARKIT_NAMES))
    face[30, ARKIT_INDEX["browInnerUp"]] = 0.8
    picture, table = read_action_units(a_motion(face))
    assert picture.shape == (1, 1024, 1024, 3)
    rows = [line.split() for line in table.splitlines()[3:]]
    assert [int(row[0]) for row in rows] == list(ACTION_UNITS)
    assert rows[0] == ["1", "inner", "brow", "raiser", "0.02", "0.80", "1.22", "s"]
    assert rows[1][-1] == "–"
    flat, _ = read_action_units(a_motion(torch.zeros(50, len(ARKIT_NAMES))))
    assert (picture - flat).abs().max() > 0.3


def test_readout_names_the_emotion_over_neutral() -> None:
    neutral = a_motion(torch.full((20, 52), 0.1))
    happy = prototype_coefficients()[EMOTIONS.index("happy")]
    _, table = read_action_units(a_motion((0.1 + 0.6 * happy).expand(20, -1)), neutral)
    assert table.endswith("(−1 to 1).") and "resembles most: happy +1.00" in table


def test_readout_refuses_what_it_cannot_read() -> None:
    motion = a_motion(torch.zeros(20, 52))
    with pytest.raises(ValueError, match="'motion' has no frames"):
        read_action_units(a_motion(torch.zeros(0, 52)))
    with pytest.raises(ValueError, match="'motion' has 20 frames at 25 fps, 'neutral' 19 at 25"):
        read_action_units(motion, a_motion(torch.zeros(19, 52)))
    with pytest.raises(ValueError, match="'width' × 'height'"):
        read_action_units(motion, width=8)
