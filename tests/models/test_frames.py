"""Motion frames of the sample, whose mouth is shut, and of a smile that shows its teeth."""

import copy
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from synchrorama.models.head import rotation_angles
from synchrorama.models.landmarks import EYES, INNER_LIPS, LOWER_LIP
from synchrorama.models.media import read_image
from synchrorama.models.motion.frames import MotionFrames
from synchrorama.models.motion.lips import meet, meeting_gap
from synchrorama.models.motion.polygon import signed_distance, smooth_loop
from synchrorama.models.portrait.fit import fit_head
from synchrorama.models.portrait.prepare import prepare_portrait
from synchrorama.models.portrait.preview import portrait_mask
from synchrorama.models.types import ARKIT_INDEX, ARKIT_NAMES, Motion

ASTRONAUT = Path(__file__).resolve().parents[1] / "data" / "astronaut.png"


@pytest.fixture(scope="module")
def renderer(head, portrait):
    return MotionFrames(head, portrait)


@pytest.fixture(scope="module")
def smile(head, landmarker):
    """A smile with teeth, prepared at an odd size."""
    return prepare_portrait(read_image(ASTRONAUT), landmarker=landmarker, head=head, size=257)


@pytest.fixture(scope="module")
def smiling(head, smile):
    return MotionFrames(head, smile)


def expression(portrait, **values):
    """The photo's own coefficients [52] with some set; eyeBlink sets both sides."""
    coefficients = portrait.head.expression.clone()
    for name, value in values.items():
        sides = [k for k, full in enumerate(ARKIT_NAMES) if full in (name, *_sides(name))]
        assert sides
        coefficients[sides] = value
    return coefficients


def _sides(name):
    return f"{name}Left", f"{name}Right"


def drawn(renderer, coefficients, rotation=(0.0, 0.0, 0.0), translation=(0.0, 0.0, 0.0)):
    """One frame [H, W, 3]."""
    return renderer.draw(coefficients[None], torch.tensor([rotation]), torch.tensor([translation]))[
        0
    ]


def moved(renderer, coefficients, rotation=(0.0, 0.0, 0.0), translation=(0.0, 0.0, 0.0)):
    """The vertices [N, 3] of one frame."""
    return renderer.mesh(coefficients[None], torch.tensor([rotation]), torch.tensor([translation]))[
        0
    ]


def busy(portrait, frames=7):
    """A motion in which everything moves."""
    generator = torch.Generator().manual_seed(0)
    change = 0.5 * torch.rand(frames, 52, generator=generator)
    return Motion(
        coefficients=(portrait.head.expression + change).clamp(0, 1),
        head_rotation=0.5 * (torch.rand(frames, 3, generator=generator) - 0.5),
        head_translation=0.2 * (torch.rand(frames, 3, generator=generator) - 0.5),
        fps=25.0,
    )


def psnr(one, other):
    return float(-10 * (one - other).square().mean().log10())


def lid_gaps(renderer, coefficients):
    """Mean gap of each eye's lids in eye widths, left then right; below 0 they overlap."""
    points, gaps = moved(renderer, coefficients), []
    for eye in EYES:
        gap = (points[list(eye.lower)] - points[list(eye.upper[1:-1])]) @ renderer.mesh.down
        gap = gap.mean()
        gaps.append(float(gap / (points[eye.upper[0], :2] - points[eye.upper[-1], :2]).norm()))
    return gaps


def face_of(landmarker, frame):
    faces = landmarker.faces(frame)
    assert len(faces) == 1
    return faces[0]


@pytest.mark.parametrize(("who", "least"), [("shut", 60), ("teeth", 44)])
def test_at_rest_it_is_the_photo(request, head, who, least):
    names = ("portrait", "renderer") if who == "shut" else ("smile", "smiling")
    portrait, renderer = (request.getfixturevalue(name) for name in names)
    frame = drawn(renderer, portrait.head.expression)
    face = portrait_mask(portrait, head) > 0
    assert psnr(frame[face], portrait.image[face]) >= least
    assert psnr(frame, portrait.image) >= least
    mouth = portrait.landmarks[list(INNER_LIPS), :2].round().long()
    low, high = mouth.amin(0) - 4, mouth.amax(0) + 5
    window = (slice(low[1], high[1]), slice(low[0], high[0]))
    assert psnr(frame[window], portrait.image[window]) >= 35  # teeth stay the photo's own


def test_frames_come_in_order_and_in_range(renderer, portrait):
    motion, steps = busy(portrait), []
    chunks = list(renderer.render(motion, chunk=3, on_step=lambda *step: steps.append(step)))
    assert [len(chunk) for chunk in chunks] == [3, 3, 1]
    assert steps == [(0, 7), (3, 7), (6, 7), (7, 7)]
    frames = torch.cat(chunks)
    assert frames.shape == (7, 256, 256, 3)
    assert frames.dtype == torch.float32
    assert frames.device == torch.device("cpu")
    assert 0 <= frames.min() and frames.max() <= 1
    alone = drawn(
        renderer,
        motion.coefficients[4],
        motion.head_rotation[4].tolist(),
        motion.head_translation[4].tolist(),
    )
    assert torch.allclose(frames[4], alone, atol=0.01)


def test_on_step_can_stop(renderer, portrait):
    def stop(done, _):
        if done >= 2:
            raise KeyboardInterrupt

    made = []
    with pytest.raises(KeyboardInterrupt):
        made.extend(renderer.render(busy(portrait), chunk=2, on_step=stop))
    assert len(made) <= 1


@pytest.mark.parametrize("who", ["shut", "teeth"])
def test_chunks_do_not_change_results(request, who):
    names = ("portrait", "renderer") if who == "shut" else ("smile", "smiling")
    portrait, renderer = (request.getfixturevalue(name) for name in names)
    motion = busy(portrait)
    one, three, all_at_once = (
        torch.cat(list(renderer.render(motion, chunk=chunk))) for chunk in (1, 3, 99)
    )
    assert (one - three).abs().max() < 0.02  # at an edge, rounding may move a pixel a little
    assert psnr(one, three) > 70
    assert psnr(one, all_at_once) > 65


def test_the_same_twice_and_nothing_changed(head, portrait):
    motion = busy(portrait, 3)
    kept = [portrait.image, portrait.landmarks, portrait.head.expression, portrait.head.identity]
    kept += [motion.coefficients, motion.head_rotation, motion.head_translation]
    kept += [head.units, head.vertices, head.surface_weights]
    before = [tensor.clone() for tensor in kept]
    first, second = (torch.cat(list(MotionFrames(head, portrait).render(motion))) for _ in range(2))
    assert torch.equal(first, second)
    for tensor, same in zip(kept, before, strict=True):
        assert torch.equal(tensor, same)


@pytest.mark.parametrize("who", ["shut", "teeth"])
def test_blink_closes_the_lids(request, who):
    names = ("portrait", "renderer") if who == "shut" else ("smile", "smiling")
    portrait, renderer = (request.getfixturevalue(name) for name in names)
    at_rest = lid_gaps(renderer, expression(portrait))
    shut = lid_gaps(renderer, expression(portrait, eyeBlink=1.0))
    half = lid_gaps(renderer, expression(portrait, eyeBlink=0.5))
    left = lid_gaps(renderer, expression(portrait, eyeBlinkLeft=1.0))
    for side in range(2):
        assert at_rest[side] > 0.12
        assert -0.1 < shut[side] < 0.02
        assert 0.25 < half[side] / at_rest[side] < 0.75
    assert left[0] < 0.02
    assert abs(left[1] - at_rest[1]) < 0.005


def test_closed_lids_hide_the_iris(renderer, portrait):
    """The sample's irises are bluer than any skin."""
    open_eyes = drawn(renderer, expression(portrait))
    shut = drawn(renderer, expression(portrait, eyeBlink=1.0))
    for iris in (468, 473):
        x, y = portrait.landmarks[iris, :2].long().tolist()
        window = (slice(y - 4, y + 5), slice(x - 8, x + 9))
        blueness = [float((f[window][..., 2] - f[window][..., 0]).max()) for f in (open_eyes, shut)]
        assert blueness[0] > 0.1
        assert blueness[1] < 0.05


def test_the_landmarker_sees_closed_lids(renderer, portrait, landmarker):
    before = face_of(landmarker, drawn(renderer, expression(portrait))).coefficients
    after = face_of(landmarker, drawn(renderer, expression(portrait, eyeBlink=1.0))).coefficients
    blinks = [ARKIT_INDEX["eyeBlinkLeft"], ARKIT_INDEX["eyeBlinkRight"]]
    assert (after[blinks] - before[blinks]).min() >= 0.2


@pytest.mark.parametrize(
    ("name", "rise"), [("jawOpen", 0.5), ("mouthSmile", 0.4), ("mouthPucker", 0.4)]
)
def test_the_landmarker_sees_what_was_set(renderer, portrait, landmarker, name, rise):
    before = face_of(landmarker, drawn(renderer, expression(portrait))).coefficients
    frame = drawn(renderer, expression(portrait, **{name: 1.0}))
    after = face_of(landmarker, frame).coefficients
    seen = [k for k, full in enumerate(ARKIT_NAMES) if full in (name, *_sides(name))]
    assert (after[seen] - before[seen]).min() >= rise


def test_a_smile_lets_light_on_the_teeth(renderer, portrait):
    """Photos of smiles: teeth as bright as the skin; of parted lips: half as bright."""
    open_jaw = expression(portrait, jawOpen=0.6)
    points = moved(renderer, open_jaw)
    still = torch.zeros(1, 3)
    painted = []
    for smile in (0.0, 0.8):
        given = expression(portrait, jawOpen=0.6, mouthSmileLeft=smile, mouthSmileRight=smile)[None]
        frame = torch.full_like(portrait.image, -1.0)[None]
        renderer.mouth.paint(frame, points[None], given, still, still)
        painted.append(frame[0])
    solid = (painted[0] > 0).all(-1) & (painted[1] > 0).all(-1)
    assert int(solid.sum()) > 100
    assert painted[1][solid].mean() > 1.2 * painted[0][solid].mean()


def test_a_wide_open_mouth_shows_its_upper_teeth(renderer, portrait):
    given = expression(portrait, jawOpen=0.7)
    frame, points = drawn(renderer, given), moved(renderer, given)
    upper, lower = points[13, :2], points[14, :2]

    def brightness(share):
        x, y = upper.lerp(lower, share).long().tolist()
        return float(frame[y, x - 4 : x + 5].mean())

    assert brightness(0.1) > 1.5 * brightness(0.6)


@pytest.mark.parametrize(("smile", "least", "most"), [(0.0, 0.0, 0.35), (0.9, 0.7, 1.0)])
def test_a_wide_mouth_bares_its_teeth_when_it_smiles(renderer, portrait, smile, least, most):
    """How far down the opening the light of teeth reaches; photos: hardly under the lip."""
    given = expression(portrait, jawOpen=0.8, mouthSmileLeft=smile, mouthSmileRight=smile)
    frame, points = drawn(renderer, given), moved(renderer, given)
    x, top, bottom = int(points[13, 0]), int(points[13, 1]) + 2, int(points[14, 1]) - 2
    column = frame[top:bottom, x - 4 : x + 5].mean((1, 2))
    light = column > 0.6 * column.max()
    assert least <= float(light.float().mean()) <= most


def test_a_photos_own_teeth_come_along_with_its_lip(smiling, smile, head, monkeypatch):
    given = expression(smile, jawOpen=0.95)

    def teeth(renderer):
        points = moved(renderer, given)
        x, top, bottom = int(points[13, 0]), int(points[13, 1]) + 1, int(points[14, 1])
        column = drawn(renderer, given)[top:bottom, x - 4 : x + 5].mean((1, 2))
        return float(column.sum())

    assert smiling.mouth.hang > 0.3
    along = teeth(smiling)
    monkeypatch.setattr(smiling.mouth, "hang", 0.0)
    assert along > teeth(smiling) + 0.2
    dark = replace(smile, image=smile.image.clone())
    x, y = smile.landmarks[list(INNER_LIPS), :2].mean(0).long().tolist()
    dark.image[y - 12 : y + 13, x - 30 : x + 31] = 0.05
    assert MotionFrames(head, dark).mouth.hang == 0


def test_teeth_that_show_between_parted_lips_say_how_light_it_is(renderer, portrait):
    mouth = renderer.mouth
    dim = torch.full((3,), 0.2)
    assert torch.equal(mouth._as_bright_as_seen(portrait.image, dim), dim)  # lips are closed
    parted = copy.copy(mouth)
    parted.mesh = copy.deepcopy(mouth.mesh)
    parted.mesh.rest[list(LOWER_LIP[0]), :2] += 4 * parted.mesh.down[:2]
    parted.mesh.photo_gap += 4
    parted.mesh.is_open = False
    bright = torch.full_like(portrait.image, 0.4)
    assert 1.5 < float(parted._as_bright_as_seen(bright, dim).mean() / dim.mean()) <= 2.5
    dark = torch.full_like(portrait.image, 0.02)
    assert torch.equal(parted._as_bright_as_seen(dark, dim), dim)


def test_closed_lids_meet_in_one_line(renderer, portrait):
    """Dark all along, where the torn mesh left dashes."""
    given = expression(portrait, eyeBlink=1.0)
    frame, points = drawn(renderer, given), moved(renderer, given)
    for eye in EYES:
        lids = points[list(eye.upper[1:-1]), :2] + points[list(eye.lower), :2]
        line = (lids / 2)[1:-1].long()
        around = [frame[[y - 5, y + 5], x].mean() for x, y in line]
        dark = [frame[y - 2 : y + 3, x].mean(1).amin() for x, y in line]
        shade = torch.stack(dark) / torch.stack(around)
        assert shade.max() < 0.9


def test_lips_end_in_a_clean_edge(renderer, portrait):
    """What the torn mesh leaves beside the edge of the lips is not seen."""
    given = expression(portrait, jawOpen=0.6)
    points = moved(renderer, given)
    still = torch.zeros(1, 3)
    loop, _ = renderer.mouth._opening(points[None])
    size = portrait.image.shape[0]
    away = -signed_distance(smooth_loop(loop, 3), 0, 0, size, size)
    ragged = torch.full_like(portrait.image, 0.5)[None]
    ragged[away.abs() < 0.8] = 0.0
    renderer.mouth.paint(ragged, points[None], given[None], still, still)
    lips = ragged[(away > 0.5) & (away < 0.8)]
    assert len(lips) > 10
    assert float((lips - 0.5).abs().mean()) < 0.1


def test_jaw_opens_the_lips_and_shows_the_mouth(renderer, portrait):
    points = moved(renderer, expression(portrait, jawOpen=0.6))
    rest = renderer.mesh.rest
    gap = float((points[14] - points[13])[:2].norm() - (rest[14] - rest[13])[:2].norm())
    assert gap > 0.15 * renderer.mesh.mouth_width
    frame = drawn(renderer, expression(portrait, jawOpen=0.6))
    x, y = ((points[13] + 2 * points[14]) / 3)[:2].long().tolist()
    inside, lip = (
        frame[y - 1 : y + 2, x - 3 : x + 4].mean(),
        frame[int(points[17, 1]) - 2, x].mean(),
    )
    assert inside < 0.8 * lip  # it is dark in there


def test_the_line_between_closed_lips_goes_as_they_part(monkeypatch, renderer, portrait):
    """Else the rim of a parted lip keeps the dark line in which closed lips meet."""

    def rim(coefficients):
        points = moved(renderer, coefficients)[[82, 13, 312]]
        return drawn(renderer, coefficients)[points[:, 1].long() - 1, points[:, 0].long()].mean()

    closed, parted = expression(portrait), expression(portrait, jawOpen=0.3)
    with_lip = rim(closed), rim(parted)
    photo = renderer.windows.pictures[:, :3]
    monkeypatch.setattr(renderer.windows, "pictures", torch.cat((photo, photo), 1))
    assert rim(closed) == with_lip[0]
    assert rim(parted) < 0.95 * with_lip[1]


def test_lips_that_come_together_meet_in_a_dark_line(smiling, smile):
    """Else a smile that closes keeps specks of its teeth between the lips."""
    rest = expression(smile)
    shut = meet(rest, torch.tensor(1.0), meeting_gap(rest))
    points = moved(smiling, shut)
    loop, gap = smiling.mouth._opening(points[None])
    assert float(gap) < 0.5
    size = smile.image.shape[0]
    line = signed_distance(smooth_loop(loop, 3), 0, 0, size, size).abs() < 0.6
    specked = torch.full_like(smile.image, 0.5)[None]
    specked[line] = 1.0
    still = torch.zeros(1, 3)
    smiling.mouth.paint(specked, points[None], shut[None], still, still)
    assert float(specked[line].mean()) < 0.45
    assert float(specked.max()) < 0.9


@pytest.mark.parametrize("value", [0.0, 0.3, 1.0])
def test_lips_never_cross(renderer, smiling, portrait, smile, value):
    for who, mesh in ((portrait, renderer), (smile, smiling)):
        for name in ("mouthClose", "mouthPress", "mouthRollUpper", "jawOpen", "mouthPucker"):
            points = moved(mesh, expression(who, **{name: value}))
            gap = ((points[[14, 87, 317]] - points[[13, 82, 312]]) @ mesh.mesh.down).min()
            assert gap > -0.02 * mesh.mesh.mouth_width


@pytest.mark.parametrize("apart", [0.035, 0.1])
def test_lips_parted_in_the_photo_close_when_they_are_pressed(head, portrait, apart):
    """Its coefficients say nothing of the gap: rest keeps it, mouthClose takes it away."""
    mouth = (portrait.landmarks[308] - portrait.landmarks[78])[:2].norm()
    points = portrait.landmarks.clone()
    for weight, row in zip((1.0, 0.85, 0.55, 0.2), LOWER_LIP, strict=True):
        points[list(row), 1] += weight * apart * mouth
    parted = replace(portrait, landmarks=points)
    frames = MotionFrames(head, parted)

    def gap(coefficients):
        at = moved(frames, coefficients)
        return float((at[14] - at[13]) @ frames.mesh.down) / frames.mesh.mouth_width

    rest = expression(parted)
    own = gap(rest)
    assert own > apart
    assert (moved(frames, rest) - frames.mesh.rest).abs().max() < 1e-3
    half, shut = (meet(rest, torch.tensor(k), meeting_gap(rest)) for k in (0.2, 1.0))
    assert own > gap(half) > gap(shut)
    assert gap(shut) <= 0.016


def test_parted_lips_that_close_hide_what_was_between_them(head, portrait):
    """Teeth that a photo shows between lips a little apart are not seen in a p, b or m."""
    points = portrait.landmarks.clone()
    mouth = (points[308] - points[78])[:2].norm()
    for weight, row in zip((1.0, 0.85, 0.55, 0.2), LOWER_LIP, strict=True):
        points[list(row), 1] += weight * 0.025 * mouth
    size = portrait.image.shape[0]
    between = signed_distance(points[None, list(INNER_LIPS), :2], 0, 0, size, size)[0] > -0.5
    image = portrait.image.clone()
    image[between] = 1.0
    frames = MotionFrames(head, replace(portrait, landmarks=points, image=image))
    assert frames.mouth.parted

    def brightest(coefficients):
        low, high = points[78, :2].int(), points[308, :2].int()
        top, bottom = int(points[13, 1]) - 3, int(points[14, 1]) + 4
        rows = drawn(frames, coefficients)[top:bottom, low[0] + 8 : high[0] - 8]
        return float(rows.mean(-1).amax(0).median())

    rest = expression(portrait)
    assert brightest(rest) > 0.95
    shut = meet(rest, torch.tensor(1.0), meeting_gap(rest))
    assert brightest(shut) < 0.8


@pytest.mark.parametrize("axis", [0, 1, 2], ids=["pitch", "yaw", "roll"])
@pytest.mark.parametrize("angle", [-0.2, 0.2])
def test_head_turns_as_motion_says(renderer, portrait, landmarker, head, axis, angle):
    rotation = [0.0, 0.0, 0.0]
    rotation[axis] = angle

    def pose(frame):
        face = face_of(landmarker, frame)
        return rotation_angles(fit_head(face.landmarks, face.coefficients, head).rotation)

    own = expression(portrait)
    turned = pose(drawn(renderer, own, rotation)) - pose(drawn(renderer, own))
    assert 0.5 < float(turned[axis]) / angle < 1.4
    rest, points = renderer.mesh.rest, moved(renderer, own, rotation)
    sign = 1 if angle > 0 else -1
    nose, ears = (points[1] - rest[1])[:2] * sign, points[454, 1] - points[234, 1]
    if axis == 0:
        assert nose[1] > 3  # down
    elif axis == 1:
        assert nose[0] > 3  # to the right
    else:
        assert (ears - (rest[454, 1] - rest[234, 1])) * sign < -3  # counterclockwise


def test_head_shifts_and_nears(renderer, portrait):
    own, rest = expression(portrait), renderer.mesh.rest[:468, :2]
    width = renderer.mesh.face_width
    right = moved(renderer, own, translation=(0.1, 0.0, 0.0))[:468, :2] - rest
    assert torch.allclose(right, torch.tensor([0.1 * width, 0.0]).expand_as(right), atol=0.1)
    up = moved(renderer, own, translation=(0.0, 0.1, 0.0))[:468, :2] - rest
    assert torch.allclose(up, torch.tensor([0.0, -0.1 * width]).expand_as(up), atol=0.1)
    near = moved(renderer, own, translation=(0.0, 0.0, 0.5))[:468, :2]
    assert (near[454] - near[234]).norm() > 1.03 * (rest[454] - rest[234]).norm()


@pytest.mark.parametrize("rotation", [(0.0, 0.35, 0.0), (0.2, 0.0, 0.0), (0.0, 0.0, 0.26)])
def test_background_stays(head, portrait, rotation):
    """Where the picture goes on beyond the crop, the crop's edge stays within 2 %."""
    wider = torch.nn.functional.pad(portrait.source, (0, 0, 40, 40, 40, 40))
    to_source = portrait.to_source + torch.tensor([[0.0, 0.0, 40.0], [0.0, 0.0, 40.0]])
    inner = replace(portrait, source=wider, to_source=to_source)
    frame = drawn(MotionFrames(head, inner), expression(inner), rotation)
    change = (frame - inner.image).abs().amax(-1)
    edge = torch.cat((change[0], change[-1], change[:, 0], change[:, -1]))
    assert edge.max() < 0.02
    assert change[-24:, :24].max() < 1e-4 and change[-24:, -24:].max() < 1e-4
    assert change[128, 128] > 0 or change[100:156, 100:156].mean() > 0.005  # the face did move


def test_hair_may_leave_the_pictures_own_border(renderer, portrait):
    frame = drawn(renderer, expression(portrait), (0.0, 0.0, 0.26))
    change = (frame - portrait.image).abs().amax(-1)
    assert change[0].max() > 0.02  # a crop as large as the picture does not hold its hair
    assert change[-24:, :24].max() < 1e-4 and change[-24:, -24:].max() < 1e-4


def test_gaze_moves_the_irises_and_not_the_skin(renderer, portrait):
    own = expression(portrait)
    look = own.clone()
    look[ARKIT_INDEX["eyeLookOutLeft"]] = look[ARKIT_INDEX["eyeLookInRight"]] = 1.0
    change = (drawn(renderer, look) - drawn(renderer, own)).abs().amax(-1)
    near = torch.zeros(256, 256, dtype=torch.bool)
    for eye in EYES:
        x, y = portrait.landmarks[list(eye.loop), 0], portrait.landmarks[list(eye.loop), 1]
        w = float(x.max() - x.min())
        rows = slice(int(y.min() - 0.6 * w), int(y.max() + 0.6 * w))
        near[rows, int(x.min() - 0.6 * w) : int(x.max() + 0.6 * w)] = True
    assert change[near].max() > 0.2
    assert change[~near].max() < 0.03


@pytest.mark.parametrize(
    ("left", "right", "way"),
    [
        ("Out", "In", (1, 0)),
        ("In", "Out", (-1, 0)),
        ("Up", "Up", (0, -1)),
        ("Down", "Down", (0, 1)),
    ],
)
def test_gaze_goes_where_it_says(renderer, portrait, landmarker, left, right, way):
    """Left and right are the subject's: looking out of the left eye is to the picture's right."""
    look = expression(portrait, eyeBlink=0.0)
    steady = face_of(landmarker, drawn(renderer, look)).landmarks
    look[ARKIT_INDEX[f"eyeLook{left}Left"]] = look[ARKIT_INDEX[f"eyeLook{right}Right"]] = 1.0
    moving = face_of(landmarker, drawn(renderer, look)).landmarks
    for iris in (468, 473):
        travel = (moving[iris, :2] - steady[iris, :2]) @ torch.tensor(way, dtype=torch.float32)
        assert travel > 0.5


def test_a_smile_with_teeth(smile, smiling, landmarker):
    assert smiling.mesh.is_open
    teeth = drawn(smiling, expression(smile))
    assert teeth.shape == (257, 257, 3)
    jaw = ARKIT_INDEX["jawOpen"]
    wider = face_of(landmarker, drawn(smiling, expression(smile, jawOpen=0.8)))
    assert wider.coefficients[jaw] > face_of(landmarker, teeth).coefficients[jaw] + 0.15
    shut = moved(smiling, expression(smile, jawOpen=0.0, mouthSmile=0.0, mouthClose=0.0))
    rest = smiling.mesh.rest
    assert (shut[14] - shut[13])[:2].norm() < (rest[14] - rest[13])[:2].norm()


def test_a_frown_undoes_the_photos_smile(smile, smiling, landmarker):
    """A frown on a smile with teeth closes the lips and turns the corners down."""
    frown = drawn(smiling, expression(smile, mouthFrown=1.0))
    before, after = face_of(landmarker, smile.image), face_of(landmarker, frown)
    names = [ARKIT_INDEX[f"mouthSmile{side}"] for side in ("Left", "Right")]
    assert before.coefficients[names].mean() > 0.5
    assert after.coefficients[names].mean() < 0.1
    gap = [float((f.landmarks[14] - f.landmarks[13])[:2].norm()) for f in (before, after)]
    assert gap[1] < 0.3 * gap[0]


def test_extremes_stay_pictures(renderer):
    motion = Motion(
        coefficients=torch.tensor([0.0, 1.0, 1.0, 1.0])[:, None].repeat(1, 52),
        head_rotation=torch.tensor([[1.5, 0, 0], [0, 1.5, 0], [0, 0, 3.0], [-1.0, -1, -1]]),
        head_translation=torch.tensor([[5.0, 0, 0], [0, -5, 0], [0, 0, 8.0], [0, 0, -8]]),
        fps=25.0,
    )
    frames = torch.cat(list(renderer.render(motion)))
    assert frames.isfinite().all()
    assert 0 <= frames.min() and frames.max() <= 1


def test_no_frames_is_no_chunk(renderer):
    motion = Motion(
        coefficients=torch.zeros(0, 52),
        head_rotation=torch.zeros(0, 3),
        head_translation=torch.zeros(0, 3),
        fps=25.0,
    )
    assert list(renderer.render(motion)) == []
