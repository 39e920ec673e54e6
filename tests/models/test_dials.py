from __future__ import annotations

import pytest
import torch
from synchrorama.models.motion.dials import NAMES, Dials, dial_tracks, parse_keyframes
from synchrorama.models.speech import frame_times


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", [-0.1, 2.5, float("nan")])
def test_a_dial_out_of_range_is_named(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"'{name}' is .*Use a value from 0"):
        Dials(**{name: value})


def test_dials_without_keyframes_are_constant() -> None:
    tracks = dial_tracks(Dials(head=0.5), "", frame_times(10, 25.0))
    assert set(tracks) == set(NAMES)
    assert torch.equal(tracks["head"], torch.full((10,), 0.5))
    assert torch.equal(tracks["lips"], torch.ones(10))


def test_keyframes_go_in_straight_lines_and_hold_at_the_ends() -> None:
    text = "# calm first\n1.0 head 0\n\n1 blinks 2   # wide\n2 Head 1"
    tracks = dial_tracks(Dials(head=0.3), text, torch.tensor([0.2, 1.25, 1.75, 3.0]))
    assert tracks["head"].tolist() == pytest.approx([0.0, 0.25, 0.75, 1.0])
    assert tracks["blinks"].tolist() == [2.0] * 4
    assert tracks["gaze"].tolist() == [1.0] * 4


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("head 0.5", "Line 1 of 'keyframes' is 'head 0.5'. Write a time"),
        ("\n1.5 head", "Line 2 of 'keyframes' is '1.5 head'. Write"),
        ("1 head half", "Line 1 of 'keyframes' is '1 head half'"),
        ("1 head nan", "Line 1 of 'keyframes' is '1 head nan'"),
        ("1 nose 1", "Line 1 of 'keyframes' names 'nose'. Use one of lips, expression, head"),
        ("1 head 3", "Line 1 of 'keyframes' sets 'head' to 3. Use a value from 0"),
        ("-1 head 1", "Line 1 of 'keyframes' is at -1 s. Use a time from 0"),
        ("1 head 1\n1 head 0", "Line 2 of 'keyframes' is at 1 s, but 'head' already has 1 s"),
        ("\n".join(f"{i} head 1" for i in range(10_001)), "is keyframe 10001, at most 10000"),
    ],
)
def test_bad_keyframes_name_the_line(text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        parse_keyframes(text)
