"""Directing by hand: the parser's every refusal, easing, blending, and what a key changes."""

import pytest
import torch
from synchrorama.models.emotion.circumplex import to_scores
from synchrorama.models.emotion.direct import direct_emotion, frames_of, parse_direction
from synchrorama.models.emotion.fusion import TINY, EmotionFusion
from synchrorama.models.types import EMOTIONS

HAPPY, NEUTRAL, SAD = (EMOTIONS.index(name) for name in ("happy", "neutral", "sad"))


@pytest.fixture(scope="module")
def model() -> EmotionFusion:
    torch.random.default_generator.manual_seed(0)
    return EmotionFusion(TINY).train(False)


def directed(model, direction, frames=100, **options):
    return direct_emotion(model, parse_direction(direction), frames, 25.0, **options)


def test_a_mixture_is_read() -> None:
    (key,) = parse_direction("Happy 0.5, surprised .25  # softly\n\n")
    assert key.time is None
    assert key.scores[HAPPY] == 0.5
    assert key.scores[EMOTIONS.index("surprised")] == 0.25
    assert key.scores[NEUTRAL] == 0.25
    assert key.valence_arousal.tolist() == pytest.approx([0.48, 0.4075])


def test_strengths_over_1_are_shares_and_one_left_out_is_1() -> None:
    (key,) = parse_direction("happy, sad 1.0")
    assert key.scores[HAPPY] == key.scores[SAD] == 0.5
    assert key.scores[NEUTRAL] == 0.0
    assert parse_direction("contemptuous")[0].scores[-1] == 1.0
    assert parse_direction("happy 0")[0].scores[NEUTRAL] == 1.0


def test_keyframes_are_read() -> None:
    keys = parse_direction("0 neutral\r\n1.5 happy 0.8, surprised 0.2\n\n2.0 va 0.4 -0.3")
    assert [key.time for key in keys] == [0.0, 1.5, 2.0]
    assert keys[2].valence_arousal.tolist() == pytest.approx([0.4, -0.3])
    assert torch.equal(keys[2].scores, to_scores(keys[2].valence_arousal))


@pytest.mark.parametrize(
    ("direction", "sentence"),
    [
        ("", "'direction' is empty"),
        ("# nothing\n\n", "'direction' is empty"),
        ("0 happy\n1 merry 0.5", "Line 2 of 'direction' holds 'merry', which is no emotion"),
        ("0 happy\n\n1.0", "Line 3 of 'direction' has a time but no emotion"),
        ("2 happy\n1 sad", "Line 2 of 'direction' is at 1 s, but line 1 is already at 2 s"),
        ("1 happy\n# x\n1 sad", "Line 3 of 'direction' is at 1 s, but line 1 is already at 1 s"),
        ("-1 happy", "Line 1 of 'direction' is at -1 s"),
        ("happy\n1 sad", "Line 1 of 'direction' gives no time"),
        ("1 happy\nsad", "Line 2 of 'direction' gives no time"),
        ("happy 1.2", "Line 1 of 'direction' has happy 1.2. Use a strength from 0 to 1"),
        ("happy -0.1", "Line 1 of 'direction' has happy -0.1"),
        ("happy nan", "Line 1 of 'direction' holds 'happy nan'"),
        ("happy 0.5 sad 0.5", "with commas between emotions"),
        ("happy 0.5,", "Line 1 of 'direction' holds '', which is no emotion"),
        ("happy 0.5, happy 0.2", "Line 1 of 'direction' names 'happy' twice"),
        ("1,5 happy 0.8", "Line 1 of 'direction' holds '1', which is no emotion"),
        ("va 0.4", "Line 1 of 'direction' gives 'va 0.4'; needed are valence and arousal"),
        ("va 0.4 x", "Line 1 of 'direction' gives 'va 0.4 x'"),
        ("va 1.4 0", "Line 1 of 'direction' has valence 1.4. Use a value from -1 to 1"),
        ("3 va 0.4 -2", "Line 1 of 'direction' has arousal -2"),
    ],
)
def test_what_cannot_be_read_is_answered_with_its_line(direction, sentence) -> None:
    with pytest.raises(ValueError, match="direction") as caught:
        parse_direction(direction)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_too_many_keyframes_are_answered() -> None:
    with pytest.raises(ValueError, match="Line 10001 of 'direction' is keyframe 10001"):
        parse_direction("\n".join(f"{second} happy" for second in range(10001)))


def test_one_line_holds_for_the_whole_clip(model) -> None:
    emotion = directed(model, "happy 0.8")
    assert torch.equal(emotion.scores[:, HAPPY], torch.full((100,), 0.8))
    assert torch.equal(emotion.confidence, torch.ones(100))


@pytest.mark.parametrize(("easing", "middle"), [("linear", 0.51), ("smooth", 0.515)])
def test_easing(model, easing, middle) -> None:
    curve = directed(model, "0 neutral\n2 happy", easing=easing).scores[:, HAPPY]
    assert curve[12] == pytest.approx(0.25, abs=1e-6) if easing == "linear" else curve[12] < 0.2
    assert curve[24] < 0.5 < curve[25]  # frames 24 and 25 lie to both sides of 1 s
    assert (curve.diff() >= 0).all()
    assert torch.equal(curve[50:], torch.ones(50))
    assert curve[25] == pytest.approx(middle, abs=0.01)


def test_hold_jumps_at_the_key(model) -> None:
    curve = directed(model, "0 neutral\n2 happy\n3 sad", easing="hold").scores
    assert torch.equal(curve[:50, NEUTRAL], torch.ones(50))
    assert torch.equal(curve[50:75, HAPPY], torch.ones(25))
    assert torch.equal(curve[75:, SAD], torch.ones(25))


@pytest.mark.parametrize("easing", ["linear", "smooth", "hold"])
def test_moving_a_key_changes_only_what_lies_between_its_neighbours(model, easing) -> None:
    lines = "0.5 neutral\n1 happy\n{} {}\n3 sad 0.5\n3.5 va 0.2 0.9"
    before = directed(model, lines.format("2", "angry 0.7"), easing=easing)
    after = directed(model, lines.format("1.6", "va -0.2 0.1"), easing=easing)
    for field in ("scores", "valence_arousal", "confidence", "embedding"):
        one, other = getattr(before, field), getattr(after, field)
        assert torch.equal(one[:25], other[:25])  # up to the key at 1 s
        assert torch.equal(one[75:], other[75:])  # from the key at 3 s
        if field != "confidence":
            assert not torch.equal(one[25:75], other[25:75])


def test_rows_sum_to_1_and_keys_past_the_end_are_led_up_to(model) -> None:
    emotion = directed(model, "1 contemptuous 0.6, angry 0.3\n8 va -1 1")
    assert torch.allclose(emotion.scores.sum(1), torch.ones(100), atol=1e-6)
    assert 0 < emotion.valence_arousal[-1, 1] < 1


def test_over_an_estimate(model) -> None:
    estimate = directed(model, "0 neutral\n4 sad")
    estimate.confidence.fill_(0.4)
    none = directed(model, "happy", over=estimate, blend=0.0)
    assert none is estimate
    half = directed(model, "happy", over=estimate, blend=0.5)
    assert torch.allclose(half.scores[:, HAPPY], torch.full((100,), 0.5))
    assert torch.allclose(half.scores[:, SAD], estimate.scores[:, SAD] / 2)
    assert torch.allclose(half.confidence, torch.full((100,), 0.7))
    alone, all_of_it = directed(model, "happy"), directed(model, "happy", over=estimate)
    for field in ("scores", "valence_arousal", "confidence", "embedding"):
        assert torch.equal(getattr(alone, field), getattr(all_of_it, field))


def test_options_out_of_range_are_answered(model) -> None:
    with pytest.raises(ValueError, match="'easing' is 'bouncy'. Use one of smooth, linear, hold"):
        directed(model, "happy", easing="bouncy")
    for blend in (1.1, float("nan")):
        with pytest.raises(ValueError, match="'blend' is .*. Use a value from 0 to 1"):
            directed(model, "happy", blend=blend)
    with pytest.raises(ValueError, match="'direction' holds no keyframes"):
        direct_emotion(model, [], 10, 25.0)
    with pytest.raises(ValueError, match="'emotion' has 100 frames at 25 fps, the direction"):
        directed(model, "happy", frames=99, over=directed(model, "sad"))


def test_length_without_audio() -> None:
    assert frames_of(4.0, 25.0) == 100
    assert frames_of(0.04, 25.0) == 1
    assert frames_of(1.001, 23.976) == 24
    assert frames_of(1.002, 23.976) == 25
    for seconds in (0.0, 3601.0, float("nan")):
        with pytest.raises(ValueError, match="'seconds' is"):
            frames_of(seconds, 25.0)
    with pytest.raises(ValueError, match="'fps' is 61. Use a value from 8 to 60"):
        frames_of(1.0, 61.0)
