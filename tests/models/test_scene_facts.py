import math
from dataclasses import replace

import pytest
import torch
from synchrorama.models.portrait.prepare import prepare_portrait
from synchrorama.models.scene import photo_light
from synchrorama.models.scene.fact import Fact, Facts, Feeling, sureness
from synchrorama.models.scene.feeling import feelings
from synchrorama.models.scene.measure import measure
from synchrorama.models.scene.photo_backdrop import backdrop_facts, colour_name
from synchrorama.models.scene.photo_light import cheeks, light_facts, to_lab
from synchrorama.models.scene.photo_pose import pose_facts
from synchrorama.models.scene.voice import voice_facts
from synchrorama.models.types import EMOTIONS, Emotion

RATE = 16000


def values(facts):
    return {fact.subject: fact.value for fact in facts}


def make_emotion(rows, fps=10.0, confidence=0.9):
    scores = torch.zeros(sum(n for _, _, n in rows), len(EMOTIONS))
    at = 0
    for name, score, n in rows:
        scores[at : at + n, EMOTIONS.index(name)] = score
        other = "neutral" if name != "neutral" else "sad"
        scores[at : at + n, EMOTIONS.index(other)] += 1.0 - score
        at += n
    return Emotion(
        scores=scores,
        valence_arousal=torch.zeros(at, 2),
        confidence=torch.full((at,), confidence),
        embedding=torch.zeros(at, 256),
        fps=fps,
    )


def voice(loud, seconds=0.2, hertz=140.0):
    """Vowels of 0.2 s with the levels given, 0 is silence."""
    t = torch.arange(round(seconds * RATE)) / RATE
    tone = sum(torch.sin(2 * math.pi * hertz * k * t) / k for k in range(1, 50))
    hull = torch.sin(math.pi * t / seconds)
    return torch.cat([level * 0.1 * tone * hull for level in loud])[None]


def test_what_is_known_of_the_sample_portrait(portrait, head):
    told = values([*pose_facts(portrait), *light_facts(portrait, head), *backdrop_facts(portrait)])
    assert told["framing"] == "head and shoulders"
    assert (told["eyes"], told["mouth"], told["light"]) == ("open", "closed", "right")
    assert told["background"] == "blurred"
    assert "smile" not in told


def test_a_mirrored_picture_turns_sides_round(head, landmarker, sample):
    mirrored = prepare_portrait(sample.flip(1), landmarker=landmarker, head=head, size=256)
    assert values(light_facts(mirrored, head))["light"] == "left"
    upright = prepare_portrait(sample, landmarker=landmarker, head=head, size=256)
    sides = [values(pose_facts(one))["turn"] for one in (upright, mirrored)]
    assert sides in (["slightly left", "slightly right"], ["camera", "camera"])


@pytest.mark.parametrize(("ratio", "told"), [(2.0, "right"), (1.0, ""), (0.5, "")])
def test_light_is_only_told_where_shading_and_cheeks_agree(
    portrait, head, monkeypatch, ratio, told
):
    monkeypatch.setattr(photo_light, "cheeks", lambda image, landmarks: ratio)
    assert values(light_facts(portrait, head)).get("light", "") == told


@pytest.mark.parametrize(("ratio", "told"), [(1.0, "front"), (1.5, "")])
def test_light_is_only_called_even_on_cheeks_alike(portrait, head, monkeypatch, ratio, told):
    monkeypatch.setattr(photo_light, "shading", lambda portrait, head: (0.01, 0.0, 0.9))
    monkeypatch.setattr(photo_light, "cheeks", lambda image, landmarks: ratio)
    assert values(light_facts(portrait, head)).get("light", "") == told


def test_cheeks_tell_the_brighter_side(portrait):
    ratio = cheeks(portrait.image, portrait.landmarks)
    assert ratio > 1.3
    column = torch.linspace(1.0, 0.05, portrait.image.shape[1])[None, :, None]
    assert cheeks(portrait.image * column, portrait.landmarks) < 0.8 * ratio


def test_lips_of_a_head_that_is_turned_far_are_not_told_as_closed(portrait):
    assert values(pose_facts(portrait))["mouth"] == "closed"
    c, s = math.cos(math.radians(55)), math.sin(math.radians(55))
    yaw = torch.tensor([[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]])
    turned = replace(portrait, head=replace(portrait.head, rotation=yaw @ portrait.head.rotation))
    assert "mouth" not in values(pose_facts(turned))


def test_a_head_that_lies_has_no_light_from_a_side(portrait, head):
    c, s = math.cos(math.radians(60)), math.sin(math.radians(60))
    roll = torch.tensor([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
    lying = replace(portrait, head=replace(portrait.head, rotation=roll @ portrait.head.rotation))
    assert "light" not in values(light_facts(lying, head))


@pytest.mark.parametrize(("gain", "value"), [(0.3, "dark"), (2.2, "bright"), (1.0, "medium")])
def test_brightness(portrait, head, gain, value):
    changed = replace(portrait, source=(portrait.source * gain).clamp(0, 1))
    assert values(light_facts(changed, head))["brightness"] == value


@pytest.mark.parametrize(("gains", "value"), [((1.2, 1.0, 0.6), "warm"), ((0.7, 1.0, 1.3), "cool")])
def test_warmth(portrait, head, gains, value):
    changed = replace(portrait, source=(portrait.source * torch.tensor(gains)).clamp(0, 1))
    assert values(light_facts(changed, head))["warmth"] == value


def test_a_few_hairs_before_a_plain_wall_are_no_sharp_background(portrait):
    wall = torch.full_like(portrait.source, 0.5)
    wall[: wall.shape[0] // 12, ::24] = 0.2
    assert values(backdrop_facts(replace(portrait, source=wall))).get("background") != "sharp"


def test_a_plain_wall_is_plain(portrait):
    wall = replace(portrait, source=torch.full_like(portrait.source, 0.5))
    told = values(backdrop_facts(wall))
    assert told["background"] == "plain"
    assert told["colours"] == "grey"


def test_every_fact_has_its_measurement(portrait, head):
    for fact in [*pose_facts(portrait), *light_facts(portrait, head), *backdrop_facts(portrait)]:
        assert any(sign.isdigit() for sign in fact.measured), fact
        assert 0.5 <= fact.confidence <= 1.0


@pytest.mark.parametrize(
    ("rgb", "name"),
    [
        ((0, 0, 0), "black"), ((1, 1, 1), "white"), ((0.5, 0.5, 0.5), "grey"),
        ((0.8, 0.1, 0.1), "red"),
        ((1, 0.5, 0), "orange"), ((1, 0.9, 0.1), "yellow"), ((0.1, 0.6, 0.1), "green"),
        ((0.1, 0.5, 0.5), "teal"), ((0.1, 0.2, 0.8), "blue"), ((0.5, 0.1, 0.6), "purple"),
        ((1, 0.6, 0.75), "pink"), ((0.4, 0.25, 0.12), "brown"), ((0.93, 0.87, 0.75), "beige"),
        ((0.42, 0.42, 0.25), "olive"),
    ],
)  # fmt: skip
def test_colour_names(rgb, name):
    assert colour_name(*to_lab(torch.tensor(rgb, dtype=torch.float32)).tolist()) == name


def test_feelings_are_graded_and_in_order():
    told = feelings(make_emotion([("happy", 0.45, 20), ("sad", 0.9, 30), ("angry", 0.6, 30)]))
    assert [(one.name, one.grade) for one in told] == [
        ("happy", "slightly"), ("sad", "very"), ("angry", ""),
    ]  # fmt: skip
    told = feelings(make_emotion([("happy", 0.55, 20), ("sad", 0.9, 30)]))
    assert [(one.name, one.grade, one.start) for one in told][0] == ("happy", "", 0.0)
    assert told[1].start == pytest.approx(2.0, abs=0.3)


def test_half_a_feeling_is_slight_and_several_halves_are_not_called_calm():
    assert [(one.name, one.grade) for one in feelings(make_emotion([("sad", 0.3, 30)]))] == [
        ("sad", "slightly")
    ]
    assert [one.name for one in feelings(make_emotion([("sad", 0.1, 30)]))] == ["neutral"]
    mixed = make_emotion([("sad", 0.25, 30)])
    mixed.scores[:, EMOTIONS.index("neutral")] -= 0.25
    mixed.scores[:, EMOTIONS.index("angry")] += 0.25
    assert feelings(mixed) == ()


def test_a_short_feeling_is_not_told_alone():
    told = feelings(make_emotion([("happy", 0.7, 30), ("sad", 0.9, 2), ("happy", 0.7, 30)]))
    assert [one.name for one in told] == ["happy"]
    assert (told[0].start, told[0].end) == (0.0, 6.2)


def test_what_is_unsure_is_not_told():
    unsure = make_emotion([("happy", 0.9, 20)], confidence=0.1)
    assert feelings(unsure) == ()
    facts = measure(emotion=unsure)
    assert facts.feelings == ()
    assert "not told, its confidence is 0.10" in facts.report()


def test_pauses_are_counted():
    loud = [1, 1, 1, 0, 0, 1, 1, 1, 1, 0, 0, 0, 1, 1, 1]
    told = {fact.subject: fact for fact in voice_facts(voice(loud), RATE)}
    assert told["voice"].value == "speaking"
    assert told["pauses"].value == "several"
    assert told["pauses"].measured.count("–") == 2
    once = values(voice_facts(voice([1, 1, 1, 1, 0, 0, 1, 1, 1, 1]), RATE))
    assert once["pauses"] == "one"
    assert values(voice_facts(voice([1] * 10), RATE))["pauses"] == "none"


@pytest.mark.parametrize(("seconds", "value"), [(0.4, "slow"), (0.14, "fast")])
def test_rate_without_words(seconds, value):
    assert values(voice_facts(voice([1] * 16, seconds), RATE))["rate"] == value


def test_a_moderate_rate_is_not_told_without_words():
    told = values(voice_facts(voice([1] * 16, 0.22), RATE))
    assert told["voice"] == "speaking"
    assert "rate" not in told


def test_a_loud_syllable_stands_out():
    facts = voice_facts(voice([0.5] * 6 + [1.6] + [0.5] * 6), RATE)
    emphasis = next(fact for fact in facts if fact.subject == "emphasis")
    assert emphasis.value == "once"
    assert "1.3 s" in emphasis.measured


def test_silence_is_silent_and_noise_is_not_called_a_voice():
    assert values(voice_facts(torch.zeros(1, RATE), RATE)) == {"voice": "silent"}
    noise = 0.1 * torch.randn(1, RATE, generator=torch.Generator().manual_seed(0))
    assert voice_facts(noise, RATE) == []


def test_nothing_connected_is_nothing_known():
    assert measure() == Facts()


def test_words_without_audio_have_no_time():
    facts = measure(text="Hello there.")
    assert facts.words[0].text == "Hello there."
    assert "is not known: 'audio' is not connected" in facts.report()


def test_emotion_of_another_length_than_the_audio_is_answered():
    with pytest.raises(ValueError, match=r"'emotion' lasts 2.00 s, but 'audio' lasts 1.00 s"):
        measure(speech=(voice([1] * 5), RATE), emotion=make_emotion([("sad", 1.0, 20)]))


def test_a_value_that_no_subject_has_is_answered():
    with pytest.raises(ValueError, match="'light' has no value 'green'"):
        Fact(subject="light", value="green", measured="0", confidence=1.0)


def test_sureness_grows_with_the_distance():
    assert sureness(1.0, 1.0, 2.0) == 0.5
    assert sureness(2.0, 1.0, 2.0) == 0.75
    assert sureness(9.0, 1.0, 2.0) == 1.0


def test_report_tells_grades():
    one = Feeling(start=0, end=1, name="sad", grade="very", score=0.9, confidence=0.8)
    assert Facts(feelings=(one,)).report() == "0.0–1.0 s: very sad (score 0.90, confidence 0.80)"
