"""Action units: the map from coefficients, and the emotions' faces."""

from __future__ import annotations

import pytest
import torch
from synchrorama.models.motion.action_units import (
    ACTION_UNITS,
    action_units,
    matrix,
    prototype_coefficients,
    prototypes,
    read_emotion,
)
from synchrorama.models.types import ARKIT_INDEX, ARKIT_NAMES, EMOTIONS


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
    speech = torch.rand(20, generator=torch.Generator().manual_seed(3)) * 0.4
    likeness = read_emotion(speech + strength * prototypes(), speech)
    assert [EMOTIONS[i] for i in likeness.argmax(1).tolist()] == list(EMOTIONS)


def test_a_face_that_hardly_moves_reads_as_neutral() -> None:
    speech = torch.zeros(20)
    assert read_emotion(0.05 * prototypes()[3], speech).argmax() == EMOTIONS.index("neutral")
