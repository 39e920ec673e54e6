import json

import pytest
from synchrorama.models.scene.clip_tokens import ClipTokens
from synchrorama.models.scene.schedule import keyframes, length, window_prompts, with_beat
from synchrorama.models.types import Scene

PROMPT = 'Close-up portrait, eyes open. Speaking fast, happy at first, then sad. Saying "Oh, no.".'


@pytest.fixture(scope="module")
def count():
    return ClipTokens.from_checkpoint().count


def make_scene(*beats, prompt=PROMPT):
    return Scene(prompt=prompt, negative="", beats=tuple(beats), author="rules")


BEATS = ((0.0, 1.0, "happy"), (1.0, 2.5, 'sad, saying "`1/0` {x} --neg"'))


def read(text):
    """As FizzNodes' BatchPromptSchedule reads it."""
    return json.loads("{" + text + "}")


def test_keyframes_hold_each_beat_and_fade_to_the_next(count):
    text = keyframes(make_scene(*BEATS), fps=10, frames=0, blend=3, limit=0, count=count)
    keys = read(text)
    base = "Close-up portrait, eyes open"
    assert list(keys) == ["0", "7", "10"]
    assert keys["0"] == keys["7"] == f"{base}, happy"
    assert keys["10"].startswith(f"{base}, sad, saying ")
    assert not set('`{}"') & set(keys["10"])
    assert "--" not in keys["10"]


def test_a_cut_has_its_keyframe_one_frame_before(count):
    keys = read(keyframes(make_scene(*BEATS), fps=10, frames=0, blend=0, limit=0, count=count))
    assert list(keys) == ["0", "9", "10"]


def test_keyframes_end_with_the_video(count):
    keys = read(keyframes(make_scene(*BEATS), fps=10, frames=8, blend=2, limit=0, count=count))
    assert list(keys) == ["0"]


def test_a_scene_without_beats_has_one_prompt(count):
    options = {"fps": 25.0, "frames": 40, "limit": 0, "count": count}
    assert read(keyframes(make_scene(), blend=0, **options)) == {"0": PROMPT.replace('"', "'")}
    assert window_prompts(make_scene(), window=16, **options) == [PROMPT] * 3


def test_each_window_has_the_beat_that_takes_most_of_it(count):
    prompts = window_prompts(make_scene(*BEATS), fps=10, frames=0, window=8, limit=0, count=count)
    assert [one.split(", ")[2] for one in prompts] == ["happy", "sad", "sad", "sad"]


def test_prompts_stay_within_the_limit_and_keep_their_beat(count):
    for limit in (10, 20, 77):
        prompt = with_beat("red coat, " * 60, "very sad, then happy", limit, count)
        assert count(prompt) <= limit
        assert prompt.endswith("very sad, then happy")


def test_length_is_that_of_the_last_beat():
    assert length(make_scene(*BEATS), 25.0, 0) == 63
    assert length(make_scene(*BEATS), 23.976, 0) == 60
    assert length(make_scene(), 25.0, 9) == 9


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"fps": 5.0}, "'fps' is 5. Use a value from 8 to 60."),
        ({"blend": -1}, "'blend' is -1. Use 0 or more frames."),
    ],
)
def test_values_out_of_range_are_answered(count, options, why):
    given = {"fps": 25.0, "frames": 9, "blend": 0, "limit": 0, "count": count} | options
    with pytest.raises(ValueError, match=why):
        keyframes(make_scene(*BEATS), **given)


def test_a_window_of_no_frames_is_answered(count):
    with pytest.raises(ValueError, match="'window' is 0. Use at least 1 frame."):
        window_prompts(make_scene(*BEATS), fps=25, frames=9, window=0, limit=0, count=count)


def test_a_scene_without_beats_needs_a_length(count):
    with pytest.raises(ValueError, match="Set 'frames' to the length"):
        keyframes(make_scene(), fps=25, frames=0, blend=0, limit=0, count=count)
