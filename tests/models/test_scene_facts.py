import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from synchrorama.models.head import rotation_matrix
from synchrorama.models.landmarks import EYES
from synchrorama.models.media import read_audio
from synchrorama.models.portrait.prepare import prepare_portrait
from synchrorama.models.scene import photo_light, photo_pose
from synchrorama.models.scene.fact import Fact, Facts, Feeling, sureness
from synchrorama.models.scene.feeling import feelings
from synchrorama.models.scene.measure import measure
from synchrorama.models.scene.panels import panels
from synchrorama.models.scene.photo_backdrop import (
    _blur,
    _Reduced,
    backdrop_facts,
    bars,
    colour_name,
    edge_blur,
)
from synchrorama.models.scene.photo_light import (
    brightness,
    cheeks,
    halves,
    light_facts,
    to_lab,
)
from synchrorama.models.scene.photo_pose import (
    GAPE,
    dark_between,
    face_height,
    pale_between,
    pose_facts,
)
from synchrorama.models.scene.voice import voice_facts
from synchrorama.models.types import ARKIT_INDEX, EMOTIONS, Emotion

RATE = 16000


def values(facts):
    return {fact.subject: fact.value for fact in facts}


SPEECH = Path(__file__).resolve().parents[2] / "workflows" / "sample_speech.wav"


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


def test_a_face_is_as_large_as_it_looks(portrait):
    """Hairline to chin, a fifth more than the landmarks."""
    top, chin = portrait.landmarks[[10, 152], 1]
    tall = float(chin - top) * float(portrait.to_source[0, 0])
    cut = portrait.source[: round(tall * 1.2 / 0.69)]
    told = values(pose_facts(replace(portrait, source=cut)))
    assert told["face size"] == "two thirds"


def test_a_collage_has_no_framing(portrait):
    assert not panels(portrait.source)
    for axis in (0, 1):
        both = torch.cat((portrait.source, 1.0 - portrait.source), axis)
        assert panels(both)
    collage = replace(portrait, source=torch.cat((portrait.source, 1.0 - portrait.source), 1))
    told = values(pose_facts(collage))
    assert "framing" not in told
    assert "eyes" in told


def test_eyes_behind_coloured_glass_are_not_told(portrait):
    assert values(pose_facts(portrait))["eyes"] == "open"
    blue = portrait.image.clone()
    points = portrait.landmarks[:, :2]
    for eye in EYES:
        x, y = points[list(eye.loop)].mean(0).round().long().tolist()
        blue[y - 30 : y + 30, x - 45 : x + 45] *= torch.tensor([0.3, 0.6, 1.6])
    glass = replace(portrait, image=blue.clamp(0, 1))
    assert "eyes" not in values(pose_facts(glass))


@pytest.mark.parametrize("told", ["eyes", "mouth"])
def test_what_the_edge_cuts_off_is_not_told(portrait, told):
    """The picture ends above the mouth, or begins under the eyes."""
    across = portrait.to_source[1]
    places = portrait.landmarks[:, :2] @ across[:2] + across[2]
    lips, lids = places[[13, 14]].mean(), places[list(EYES[0].loop)].mean()
    between = round(float(lips + lids) / 2)
    above = replace(portrait, source=portrait.source[:between])
    shift = torch.tensor([[0.0, 0.0, 0.0], [0.0, 0.0, float(between)]])
    below = replace(
        portrait, source=portrait.source[between:], to_source=portrait.to_source - shift
    )
    seen = values(pose_facts(above if told == "eyes" else below))
    assert told in seen
    assert ({"eyes", "mouth"} - {told}).isdisjoint(seen)


def test_a_wink_is_neither_open_nor_closed(portrait):
    winking = portrait.landmarks.clone()
    eye = EYES[0]
    upper, lower = list(eye.upper[2:-2]), list(eye.lower[1:-1])
    winking[upper, :2] = winking[lower, :2]
    assert "eyes" not in values(pose_facts(replace(portrait, landmarks=winking)))


@pytest.mark.parametrize(("cut", "told"), [(-0.27, "half"), (-0.02, None), (0.05, None)])
def test_a_face_cut_off_by_the_picture_has_no_size(portrait, cut, told):
    """The picture begins above the hair, in it or below the forehead.

    It is twice as high as the face.
    """
    top = float(portrait.landmarks[10, 1] * portrait.to_source[1, 1] + portrait.to_source[1, 2])
    face = face_height(portrait)
    first, height = round(top + cut * face), round(2.3 * face)
    picture = F.pad(portrait.source[first:], (0, 0, 0, 0, 0, height))[:height]
    shift = torch.tensor([[0.0, 0.0, 0.0], [0.0, 0.0, float(first)]])
    lower = replace(portrait, source=picture, to_source=portrait.to_source - shift)
    assert values(pose_facts(lower)).get("face size") == told


def test_black_bars_are_no_colour():
    lightness = torch.full((20, 30), 50.0)
    lightness[:4], lightness[-2:], lightness[:, :5] = 0.0, 1.0, 2.0
    lightness[10, 10] = 0.0
    found = bars(lightness)
    expected = lightness < 4.0
    expected[10, 10] = False
    assert torch.equal(found, expected)


def test_a_mirrored_picture_turns_sides_round(head, landmarker, sample):
    mirrored = prepare_portrait(sample.flip(1), landmarker=landmarker, head=head, size=256)
    assert values(light_facts(mirrored, head))["light"] == "left"
    upright = prepare_portrait(sample, landmarker=landmarker, head=head, size=256)
    sides = [values(pose_facts(one))["turn"] for one in (upright, mirrored)]
    assert sides in (["slightly left", "slightly right"], ["camera", "camera"])


@pytest.mark.parametrize(("ratio", "told"), [(2.6, "right"), (2.0, ""), (1.0, ""), (0.3, "")])
def test_light_is_only_told_where_shading_and_cheeks_agree(
    portrait, head, monkeypatch, ratio, told
):
    monkeypatch.setattr(photo_light, "cheeks", lambda image, landmarks: ratio)
    assert values(light_facts(portrait, head)).get("light", "") == told


@pytest.mark.parametrize(("lighter", "told"), [(35.0, "right"), (15.0, ""), (-35.0, "")])
def test_light_from_a_side_is_only_told_where_an_eye_sees_it(
    portrait, head, monkeypatch, lighter, told
):
    monkeypatch.setattr(photo_light, "halves", lambda portrait, head: lighter)
    assert values(light_facts(portrait, head)).get("light", "") == told


@pytest.mark.parametrize(
    ("across", "ratio", "told"), [(0.9, 5.0, "right"), (0.7, 5.0, ""), (0.9, 3.0, "")]
)
def test_a_side_of_a_dark_face_is_told_where_it_is_stark(
    portrait, head, monkeypatch, across, ratio, told
):
    monkeypatch.setattr(photo_light, "halves", lambda portrait, head: 15.0)
    monkeypatch.setattr(photo_light, "shading", lambda portrait, head: (across, 0.0, 0.9))
    monkeypatch.setattr(photo_light, "cheeks", lambda image, landmarks: ratio)
    assert values(light_facts(portrait, head)).get("light", "") == told


def test_halves_of_a_dark_face_differ_less_to_an_eye(portrait, head):
    lighter = halves(portrait, head)
    dark = replace(portrait, image=portrait.image * 0.3)
    assert lighter > 22.0 > 15.0 > halves(dark, head) > 0.0


@pytest.mark.parametrize(("across", "told"), [(0.1, "above"), (0.3, "")])
def test_light_from_above_comes_from_no_side(portrait, head, monkeypatch, across, told):
    monkeypatch.setattr(photo_light, "shading", lambda portrait, head: (across, 1.2, 0.9))
    assert values(light_facts(portrait, head)).get("light", "") == told


@pytest.mark.parametrize(
    ("ratio", "upward", "told"), [(1.0, 0.0, "front"), (1.5, 0.0, ""), (1.0, 0.8, "")]
)
def test_light_is_only_called_even_on_cheeks_alike(
    portrait, head, monkeypatch, ratio, upward, told
):
    monkeypatch.setattr(photo_light, "shading", lambda portrait, head: (0.01, upward, 0.9))
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


@pytest.mark.parametrize(
    ("degrees", "told"), [(3, "camera"), (16, "slightly right"), (30, "right"), (55, "far right")]
)
def test_how_far_a_head_is_turned(portrait, monkeypatch, degrees, told):
    monkeypatch.setattr(photo_pose, "nose_aside", lambda landmarks: 0.0)
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    yaw = torch.tensor([[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]])
    turned = replace(portrait, head=replace(portrait.head, rotation=yaw))
    assert values(pose_facts(turned))["turn"] == told


@pytest.mark.parametrize(("degrees", "told"), [(3, False), (16, False), (30, True)])
def test_a_nose_at_the_edge_of_the_face_is_not_turned_slightly(
    portrait, monkeypatch, degrees, told
):
    monkeypatch.setattr(photo_pose, "nose_aside", lambda landmarks: 0.6)
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    yaw = torch.tensor([[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]])
    turned = replace(portrait, head=replace(portrait.head, rotation=yaw))
    assert ("turn" in values(pose_facts(turned))) is told


@pytest.mark.parametrize(
    ("under", "told"),
    [(1.0, "head and shoulders"), (1.5, "medium close-up"), (3.0, "upper body"),
     (4.2, "medium wide"), (6.0, None), (9.0, "wide")],
)  # fmt: skip
def test_framing_is_told_by_what_lies_under_the_chin(portrait, under, told):
    """Six face heights may be a grown-up to the knees or all of a child."""
    face, chin = face_height(portrait), portrait.landmarks[152, 1] * portrait.to_source[1, 1]
    tall = torch.full((round(float(chin) + under * face), 400, 3), 0.5)
    assert values(pose_facts(replace(portrait, source=tall))).get("framing") == told


def with_room(portrait, under):
    """The picture with as many face heights under the chin."""
    face = face_height(portrait)
    at = portrait.to_source[1]
    chin = float(portrait.landmarks[152, :2] @ at[:2] + at[2])
    height = round(chin + under * face)
    source = F.pad(portrait.source, (0, 0, 0, 0, 0, height))[:height]
    return replace(portrait, source=source)


@pytest.mark.parametrize(
    ("under", "told", "of_none"),
    [(2.8, "upper body", ""), (1.0, "head and shoulders", ""), (0.5, "close-up", "close-up")],
)
def test_framing_needs_a_person(portrait, head, under, told, of_none):
    """But for a close-up of a face that fills half of the height."""
    picture = with_room(portrait, under)
    facts = measure(portrait=picture, head=head, unsteady=0.01)
    assert facts.value("framing") == told
    facts = measure(portrait=picture, head=head, unsteady=0.03)
    assert facts.value("framing") == of_none
    assert "this may be no person: landmarks move by 3.0 %" in facts.report()


def test_of_what_may_be_no_person_no_size_and_nothing_small_is_told(portrait, monkeypatch):
    """Small dolls have dots for eyes and mouth, and a hat or a bonnet for a hairline."""
    told = set(values(pose_facts(portrait)))
    assert told >= {"face size", "eyes", "mouth"}
    assert set(values(pose_facts(portrait, person=False))) >= {"eyes", "mouth"}
    assert "face size" not in values(pose_facts(portrait, person=False))
    monkeypatch.setattr(photo_pose, "face_width", lambda portrait: 80.0)
    assert set(values(pose_facts(portrait))) == told
    assert not {"eyes", "mouth"} & set(values(pose_facts(portrait, person=False)))


@pytest.mark.parametrize("ends", [(photo_pose.FOREHEAD, photo_pose.CHIN), (168, 2)])
def test_a_round_face_and_a_short_nose_are_no_persons(portrait, ends):
    """As of a bear, or of a doll."""
    assert photo_pose.human(portrait)
    short = portrait.landmarks.clone()
    first, second = ends
    short[first] = short[second] + 0.8 * (short[first] - short[second])
    assert not photo_pose.human(replace(portrait, landmarks=short))


@pytest.mark.parametrize(("yaw", "roll", "told"), [(5, 12, True), (35, 12, False), (35, 30, True)])
def test_a_head_that_is_turned_and_raised_is_not_told_as_tilted(portrait, yaw, roll, told):
    turned = rotation_matrix(torch.tensor([0.0, math.radians(yaw), math.radians(roll)]))
    facts = pose_facts(replace(portrait, head=replace(portrait.head, rotation=turned)))
    assert ("tilt" in values(facts)) is told


@pytest.mark.parametrize(("dark", "told"), [(0.1, "closed"), (0.4, "")])
def test_lips_with_the_dark_between_them_are_not_told_as_closed(portrait, monkeypatch, dark, told):
    assert dark_between(portrait) < GAPE
    monkeypatch.setattr(photo_pose, "dark_between", lambda portrait: dark)
    assert values(pose_facts(portrait)).get("mouth", "") == told


def test_the_dark_between_lips_is_seen(portrait):
    upper, lower = portrait.landmarks[[13, 14], :2].round().int().tolist()
    parted = portrait.image.clone()
    parted[upper[1] - 2 : lower[1] + 3, upper[0] - 3 : upper[0] + 4] = 0.0
    assert dark_between(replace(portrait, image=parted)) > 0.25


def test_lips_with_a_rim_of_teeth_between_them_are_not_told_as_closed(portrait):
    assert values(pose_facts(portrait))["mouth"] == "closed" and not pale_between(portrait)
    x, y = portrait.landmarks[[13, 14], :2].mean(0).round().int().tolist()
    image = portrait.image.clone()
    image[y - 1 : y + 2, x - 6 : x + 7] = image[y - 1 : y + 2, x - 6 : x + 7].mean(2, keepdim=True)
    rim = replace(portrait, image=image)
    assert pale_between(rim)
    assert "mouth" not in values(pose_facts(rim))
    grey = image.mean(2, keepdim=True).expand_as(image)
    assert not pale_between(replace(portrait, image=grey))


@pytest.mark.parametrize(("jaw", "told"), [(0.5, "open"), (0.2, "")])
def test_teeth_behind_parted_lips_are_no_open_mouth(portrait, monkeypatch, jaw, told):
    monkeypatch.setattr(photo_pose, "mouth_opening", lambda landmarks: 0.3)
    expression = portrait.head.expression.clone()
    expression[ARKIT_INDEX["jawOpen"]] = jaw
    smiling = replace(portrait, head=replace(portrait.head, expression=expression))
    assert values(pose_facts(smiling)).get("mouth", "") == told


@pytest.mark.parametrize(("lower", "told"), [(0.9, ""), (0.1, "open")])
def test_a_mouth_that_is_not_full_of_teeth_is_open(portrait, monkeypatch, lower, told):
    """However little the jaw seems lowered, as in drawings and in laughs."""
    monkeypatch.setattr(photo_pose, "mouth_opening", lambda landmarks: 0.3)
    points, image = portrait.landmarks.clone(), portrait.image.clone()
    for _, above, below, _ in photo_pose.LIPS:
        points[above, 1] -= 15.0
        points[below, 1] += 15.0
    top, middle, bottom = (
        round(float(y)) for y in (points[13, 1], points[14, 1] - 15.0, points[14, 1])
    )
    image[top - 2 : middle] = 0.9
    image[middle - 8 : bottom + 3] = lower
    laughing = replace(portrait, landmarks=points, image=image)
    assert values(pose_facts(laughing)).get("mouth", "") == told


@pytest.mark.parametrize(
    ("jaw", "dark", "told"), [(0.3, 0.8, "open"), (0.3, 0.2, ""), (0.1, 0.8, "")]
)
def test_between_parted_and_open_the_dark_and_the_jaw_decide(
    portrait, monkeypatch, jaw, dark, told
):
    monkeypatch.setattr(photo_pose, "mouth_opening", lambda landmarks: 0.235)
    monkeypatch.setattr(photo_pose, "hollow", lambda portrait: dark)
    expression = portrait.head.expression.clone()
    expression[ARKIT_INDEX["jawOpen"]] = jaw
    face = replace(portrait, head=replace(portrait.head, expression=expression))
    assert values(pose_facts(face)).get("mouth", "") == told


@pytest.mark.parametrize(("gap", "told"), [(0.01, ""), (0.18, ""), (0.5, "open")])
def test_lips_that_the_edge_cuts_may_be_farther_apart(portrait, monkeypatch, gap, told):
    monkeypatch.setattr(photo_pose, "mouth_opening", lambda landmarks: gap)
    across = portrait.to_source[1]
    inner, outer = (portrait.landmarks[[14, 17], :2] @ across[:2] + across[2]).tolist()
    cut = replace(portrait, source=portrait.source[: round((inner + outer) / 2)])
    assert values(pose_facts(cut)).get("mouth", "") == told


@pytest.mark.parametrize(
    ("gap", "dark", "told"), [(0.3, 0.9, "open"), (0.3, 0.2, ""), (0.18, 0.9, ""), (0.01, 0.0, "")]
)
def test_of_a_mouth_that_the_edge_cuts_only_the_dark_is_told(
    portrait, monkeypatch, gap, dark, told
):
    monkeypatch.setattr(photo_pose, "mouth_opening", lambda landmarks: gap)
    monkeypatch.setattr(photo_pose, "hollow", lambda portrait: dark)
    across = portrait.to_source[1]
    lip = float(portrait.landmarks[14, :2] @ across[:2] + across[2])
    expression = portrait.head.expression.clone()
    for name in ("jawOpen", "mouthSmileLeft", "mouthSmileRight"):
        expression[ARKIT_INDEX[name]] = 0.6
    head = replace(portrait.head, expression=expression)
    cut = replace(portrait, source=portrait.source[: math.floor(lip) - 1], head=head)
    seen = values(pose_facts(cut))
    assert seen.get("mouth", "") == told
    assert "smile" not in seen


@pytest.mark.parametrize(("gap", "told"), [(0.01, "closed"), (0.09, ""), (0.18, "parted")])
def test_lips_that_are_nearly_closed_are_not_told_as_parted(portrait, monkeypatch, gap, told):
    monkeypatch.setattr(photo_pose, "mouth_opening", lambda landmarks: gap)
    assert values(pose_facts(portrait)).get("mouth", "") == told


def test_of_what_may_be_no_face_nothing_is_told(portrait, head):
    facts = measure(portrait=portrait, head=head, people=1, astray=0.2)
    assert {"brightness"} <= set(values(facts.facts)) <= {"brightness", "warmth", "colours"}
    assert "looked for again it is found 20 % of its width away" in facts.report()
    wanders = measure(portrait=portrait, head=head, people=1, unsteady=0.08)
    assert values(wanders.facts) == values(facts.facts)
    assert "it may be none: landmarks move by 8.0 % when looked at from beside" in wanders.report()
    facts = measure(portrait=portrait, head=head, people=1, astray=math.inf)
    assert "it is found nowhere" in facts.report()
    assert "eyes" in values(measure(portrait=portrait, head=head, astray=0.01).facts)


def test_a_head_that_lies_has_no_light_from_a_side(portrait, head):
    c, s = math.cos(math.radians(60)), math.sin(math.radians(60))
    roll = torch.tensor([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
    lying = replace(portrait, head=replace(portrait.head, rotation=roll @ portrait.head.rotation))
    assert "light" not in values(light_facts(lying, head))


@pytest.mark.parametrize(("gain", "value"), [(0.3, "dark"), (2.2, "bright"), (1.0, "medium")])
def test_brightness(portrait, head, gain, value):
    changed = replace(portrait, source=(portrait.source * gain).clamp(0, 1))
    assert values(light_facts(changed, head))["brightness"] == value


@pytest.mark.parametrize(
    ("gains", "value"),
    [((1.2, 1.0, 0.6), "warm"), ((0.7, 1.0, 1.3), "cool"), ((0.9, 1.1, 0.4), "")],
)
def test_warmth(portrait, head, gains, value):
    """A greenish yellow is neither warm nor neutral."""
    changed = replace(portrait, source=(portrait.source * torch.tensor(gains)).clamp(0, 1))
    assert values(light_facts(changed, head)).get("warmth", "") == value


@pytest.mark.parametrize(
    ("gains", "value"),
    [((1.0, 0.9, 0.85), ""), ((1.4, 0.9, 0.4), "warm"), ((0.7, 0.8, 1.0), "cool")],
)
def test_of_a_face_that_fills_the_picture_the_skin_tells_the_warmth(portrait, head, gains, value):
    places = portrait.landmarks[:, :2] @ portrait.to_source[:, :2].T + portrait.to_source[:, 2]
    (left, top), (right, bottom) = places.amin(0).tolist(), places.amax(0).tolist()
    in_x, in_y = 0.2 * (right - left), 0.2 * (bottom - top)
    left, top = round(left + in_x), round(top + in_y)
    source = portrait.source[top : round(bottom - in_y), left : round(right - in_x)]
    shift = torch.tensor([[0.0, 0.0, left], [0.0, 0.0, top]])
    grey = brightness(portrait.image)[..., None]
    near = replace(
        portrait,
        source=source,
        to_source=portrait.to_source - shift,
        image=(grey * torch.tensor(gains)).clamp(0, 1),
    )
    assert values(light_facts(near, head)).get("warmth", "") == value


def test_a_few_hairs_before_a_plain_wall_are_no_sharp_background(portrait):
    wall = torch.full_like(portrait.source, 0.5)
    wall[: wall.shape[0] // 12, ::24] = 0.2
    assert values(backdrop_facts(replace(portrait, source=wall))).get("background") != "sharp"


@pytest.fixture
def squares(portrait):
    """A picture full of small squares of many greys."""
    greys = torch.rand(50, 50, 1, generator=torch.Generator().manual_seed(0))
    return greys.repeat_interleave(8, 0).repeat_interleave(8, 1).expand(400, 400, 3)


def test_warm_and_cool_colours_side_by_side_are_neither(portrait, head):
    mixed = torch.empty_like(portrait.source)
    half = mixed.shape[1] * 6 // 10
    mixed[:, :half], mixed[:, half:] = torch.tensor([0.9, 0.6, 0.2]), torch.tensor([0.4, 0.6, 0.9])
    assert "warmth" not in values(light_facts(replace(portrait, source=mixed), head))
    mixed[:, half:] = 0.5
    assert values(light_facts(replace(portrait, source=mixed), head))["warmth"] == "warm"


def test_black_around_a_warm_light_does_not_make_it_neutral(portrait, head):
    lamp = torch.zeros_like(portrait.source)
    lamp[: lamp.shape[0] // 4] = torch.tensor([0.6, 0.45, 0.25])
    told = values(light_facts(replace(portrait, source=lamp), head))
    assert told["warmth"] == "warm"
    dark = replace(portrait, source=torch.zeros_like(lamp))
    assert "warmth" not in values(light_facts(dark, head))


def test_squares_are_a_sharp_background_only_at_both_sides(portrait, squares):
    assert values(backdrop_facts(replace(portrait, source=squares)))["background"] == "sharp"
    half = squares.clone()
    half[:, :200] = 0.5
    assert "background" not in values(backdrop_facts(replace(portrait, source=half)))


@pytest.mark.parametrize(("reach", "value"), [(3, ""), (15, "blurred")])
def test_squares_out_of_focus_are_blurred(portrait, squares, reach, value):
    soft = squares.permute(2, 0, 1)[None]
    for _ in range(3):
        soft = F.avg_pool2d(soft, reach, 1, reach // 2, count_include_pad=False)
    told = values(backdrop_facts(replace(portrait, source=soft[0].permute(1, 2, 0))))
    assert told.get("background", "") == value


@pytest.mark.parametrize("sigma", [1.0, 2.0])
def test_an_edge_tells_its_own_blur(sigma):
    steps = torch.zeros(1, 1, 128, 640)
    steps[..., 8::24] = 0.6
    steps = steps.cumsum(3) % 1.0
    reduced = _Reduced(
        luma=_blur(steps, sigma), middle=torch.tensor([320.0, 100.0]), width=128.0, height=128.0
    )
    assert len(edge_blur(reduced)) == 2
    for share, _, half, _ in edge_blur(reduced):
        assert share > 0.5
        assert half == pytest.approx(math.hypot(sigma, 0.6), abs=0.3)


def test_faint_stars_are_not_plain(portrait):
    wall = torch.full_like(portrait.source, 0.5)
    for x in (30, 370):
        wall[20:50, x - 14 : x + 14] = 0.56
    assert "background" not in values(backdrop_facts(replace(portrait, source=wall)))


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
        ((0, 0, 0), "black"), ((0.0, 0.02, 0.3), "blue"), ((0.12, 0.08, 0.08), "black"),
        ((0.06, 0.17, 0.13), "green"), ((0.07, 0.10, 0.22), "blue"),
        ((1, 1, 1), "white"), ((0.5, 0.5, 0.5), "grey"),
        ((0.8, 0.1, 0.1), "red"), ((0.86, 0.08, 0.24), "red"), ((0.95, 0.15, 0.5), "pink"),
        ((1, 0.5, 0), "orange"), ((1, 0.9, 0.1), "yellow"), ((0.1, 0.6, 0.1), "green"),
        ((0.1, 0.5, 0.5), "teal"), ((0.1, 0.2, 0.8), "blue"), ((0.5, 0.1, 0.6), "purple"),
        ((1, 0.6, 0.75), "pink"), ((0.4, 0.25, 0.12), "brown"), ((0.93, 0.87, 0.75), "beige"),
        ((0.42, 0.42, 0.25), "olive"), ((0.30, 0.16, 0.15), ""), ((0.78, 0.76, 0.71), ""),
        ((0.34, 0.08, 0.10), "red"),
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


def test_a_feeling_of_half_a_second_is_told():
    told = feelings(make_emotion([("fearful", 0.55, 6), ("neutral", 1.0, 24)]))
    assert [one.name for one in told] == ["fearful", "neutral"]


def test_feelings_under_a_neutral_one_are_told_where_each_is_strongest():
    mixed = make_emotion([("disgusted", 0.3, 15), ("contemptuous", 0.35, 15)])
    told = feelings(mixed)
    assert [(one.name, one.grade) for one in told] == [
        ("disgusted", "slightly"), ("contemptuous", "slightly")
    ]  # fmt: skip
    assert told[1].start == pytest.approx(1.5, abs=0.11)


def test_a_feeling_that_fades_is_told_until_it_has_faded():
    fading = make_emotion([("happy", 0.3 - 0.01 * i, 1) for i in range(30)])
    told = feelings(fading)
    assert [one.name for one in told] == ["happy", "neutral"]
    assert told[0].end == pytest.approx(1.6, abs=0.15)


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


def test_a_silence_that_is_hardly_a_pause_leaves_their_number_open():
    hardly = voice_facts(torch.cat([voice([1] * 4), voice([0], 0.24), voice([1] * 4)], 1), RATE)
    assert "pauses" not in values(hardly)


def test_what_is_said_softly_is_no_pause():
    """Soft or dull speech, 12 dB below the rest; 26 dB below it is one."""
    soft, quiet = [1, 1, 1, 0.25, 0.25, 0.25, 1, 1, 1], [1, 1, 1, 0.05, 0.05, 0.05, 1, 1, 1]
    assert values(voice_facts(voice(soft), RATE))["pauses"] == "none"
    assert values(voice_facts(voice(quiet), RATE))["pauses"] == "one"


def test_the_sample_speech_has_no_pause_and_is_not_fast():
    waveform, rate = read_audio(SPEECH)
    told = values(voice_facts(waveform, rate))
    assert told["pauses"] == "none"
    assert "rate" not in told


@pytest.mark.parametrize(("seconds", "value"), [(0.6, "slow"), (0.14, "fast")])
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
