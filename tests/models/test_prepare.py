"""From pictures of every kind to portraits, or to a sentence."""

import math

import pytest
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw
from synchrorama.models.head import project, rotation_angles, rotation_matrix
from synchrorama.models.media import as_rgb
from synchrorama.models.motion.frames import MotionFrames
from synchrorama.models.portrait.prepare import ROOM, prepare_portrait
from synchrorama.models.types import ARKIT_INDEX, Face, FittedHead

BLINKS = [ARKIT_INDEX["eyeBlinkLeft"], ARKIT_INDEX["eyeBlinkRight"]]


class Finds:
    """In a landmarker's place: finds one head, projected with known numbers."""

    def __init__(self, head, angles=(0.0, 0.0, 0.0), scale=80.0, place=(200.0, 160.0)):
        fitted = FittedHead(
            identity=torch.zeros(80),
            expression=torch.zeros(52),
            rotation=rotation_matrix(torch.tensor(angles)),
            scale=scale,
            translation=torch.tensor(place),
            error=0.0,
        )
        points = project(head.at_landmarks(head.vertices), fitted)
        self.landmarks = points * torch.tensor([1.0, 1.0, -1.0])

    def faces(self, image, box=None):
        low, high = self.landmarks[:, :2].amin(0), self.landmarks[:, :2].amax(0)
        return [
            Face(
                box=torch.cat((low, high)),
                score=1.0,
                landmarks=self.landmarks,
                coefficients=torch.zeros(52),
            )
        ]


def resized(picture, height, width):
    """The picture [H, W, 3] at another size."""
    picture = picture.movedim(-1, 0)[None]
    small = F.interpolate(picture, (height, width), mode="bilinear", antialias=True)
    return small[0].movedim(0, -1)


def places(height, width):
    """A picture [H, W, 3] whose red and green are x and y, each 0..1 over 1000 px."""
    y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    return torch.stack((x, y, torch.zeros(height, width)), -1) / 1000


def through(affine, points):
    """Points [..., 2] under an affine [2, 3]."""
    return points @ affine[:, :2].T + affine[:, 2]


def test_sample_is_prepared(portrait, sample, landmarker):
    assert portrait.image.shape == (256, 256, 3)
    assert portrait.source is sample
    assert 0 <= portrait.image.min() and portrait.image.max() <= 1
    face = landmarker.faces(sample)[0]
    back = through(portrait.to_source, portrait.landmarks[:, :2])
    assert torch.allclose(back, face.landmarks[:, :2], atol=0.01)
    assert portrait.head.error < 0.025
    assert rotation_angles(portrait.head.rotation).abs().max() < math.radians(15)
    extent = portrait.landmarks[:, :2].amax(0) - portrait.landmarks[:, :2].amin(0)
    assert 0.35 < float(extent.max()) / 256 < 0.55  # room for hair and neck


def test_another_size_is_the_same_portrait(portrait, sample, landmarker, head):
    large = prepare_portrait(sample, landmarker=landmarker, head=head, size=512)
    assert torch.allclose(large.landmarks / 2, portrait.landmarks, atol=0.05)
    assert torch.allclose(large.to_source * 2, portrait.to_source * torch.tensor([1, 1, 2.0]))
    assert torch.allclose(large.head.rotation, portrait.head.rotation, atol=1e-3)
    assert abs(large.head.scale / portrait.head.scale - 2) < 0.01


@pytest.mark.parametrize(
    ("height", "width", "place"),
    [
        (400, 400, (200.0, 200.0)),  # fits
        (300, 700, (600.0, 160.0)),  # near the right edge of a wide picture
        (700, 300, (60.0, 620.0)),  # near the lower left corner of a tall one
        (110, 500, (250.0, 60.0)),  # the crop is higher than the picture
        (150, 120, (60.0, 70.0)),  # the face nearly fills the picture
    ],
)
@pytest.mark.parametrize("size", [128, 301])
def test_each_pixel_comes_from_where_to_source_says(head, height, width, place, size):
    source = places(height, width)
    finder = Finds(head, place=place)
    made = prepare_portrait(source, landmarker=finder, head=head, size=size)
    assert made.image.shape == (size, size, 3)
    at = torch.arange(size) + 0.5
    where = through(made.to_source, torch.stack(torch.meshgrid(at, at, indexing="xy"), -1))
    limit = torch.tensor([width, height]) - 0.5
    shown = made.image[..., :2] * 1000
    # What lies outside repeats the border; resampling may round within a pixel of it.
    assert torch.allclose(shown, where.clamp(min=0.5).minimum(limit), atol=2.0)
    inner = ((where > 8) & (where < limit - 8)).all(-1)
    inner[[*range(6), *range(-6, 0)]] = False  # resampling sees nothing beyond the crop
    inner[:, [*range(6), *range(-6, 0)]] = False
    assert inner.sum() > 0.3 * size**2
    assert torch.allclose(shown[inner], where[inner], atol=0.05)
    corners = torch.tensor([[0.0, 0.0], [float(size), float(size)]])
    low, high = through(made.to_source, corners)
    side = high - low
    assert abs(float(side[0] - side[1])) < 1e-3
    for axis, length in enumerate((width, height)):
        if float(side[axis]) <= length:  # it fits, so it lies inside
            assert low[axis] >= 0 and high[axis] <= length
    assert torch.allclose(
        through(made.to_source, made.landmarks[:, :2]), finder.landmarks[:, :2], atol=1e-2
    )


def test_a_crop_of_its_own_size_is_not_resampled(head):
    source = torch.rand(400, 400, 3, generator=torch.Generator().manual_seed(0))
    finder = Finds(head)
    extent = finder.landmarks[:, :2].amax(0) - finder.landmarks[:, :2].amin(0)
    side = round(ROOM * float(extent.max()))
    made = prepare_portrait(source, landmarker=finder, head=head, size=side)
    left, top = (int(v) for v in made.to_source[:, 2])
    assert torch.equal(made.image, source[top : top + side, left : left + side])
    low, high = made.landmarks[:, :2].amin(0), made.landmarks[:, :2].amax(0)
    off = (low + high) / 2 - side / 2
    assert off[0].abs() <= 1
    assert 0.03 < float(off[1] / (high - low).max()) < 0.09  # more room for hair than for neck


def test_beyond_the_picture_its_border_goes_on(head):
    source = torch.rand(110, 500, 3, generator=torch.Generator().manual_seed(0))
    finder = Finds(head, place=(250.0, 60.0))
    extent = finder.landmarks[:, :2].amax(0) - finder.landmarks[:, :2].amin(0)
    side = round(ROOM * float(extent.max()))
    made = prepare_portrait(source, landmarker=finder, head=head, size=side)
    left, top = (int(v) for v in made.to_source[:, 2])
    assert top < 0 and top + side > 110
    assert torch.equal(made.image[-top : 110 - top], source[:, left : left + side])
    assert (made.image[:-top] == source[0, left : left + side]).all()
    assert (made.image[110 - top :] == source[-1, left : left + side]).all()


@pytest.mark.parametrize("degrees", [-75.0, 75.0])
def test_a_profile_is_answered(head, degrees):
    finder = Finds(head, angles=(0.0, math.radians(degrees), 0.0))
    with pytest.raises(ValueError, match=r"'image' is turned 7[3-7]° to the side. Use a picture"):
        prepare_portrait(places(400, 400), landmarker=finder, head=head)


@pytest.mark.parametrize("angles", [(0.0, 50.0, 0.0), (0.0, -50.0, 10.0), (30.0, 0.0, 80.0)])
def test_a_turned_face_is_taken(head, angles):
    angles = tuple(math.radians(a) for a in angles)
    finder = Finds(head, angles=angles)
    made = prepare_portrait(places(400, 400), landmarker=finder, head=head, size=128)
    found = rotation_angles(made.head.rotation)
    assert torch.allclose(found, torch.tensor(angles), atol=0.02)


def test_a_small_face_is_answered(head, landmarker, sample):
    finder = Finds(head, scale=30.0)
    with pytest.raises(ValueError, match=r"'image' is 2\d px wide. Use .* at least 32 px"):
        prepare_portrait(places(400, 400), landmarker=finder, head=head)
    tiny = torch.full((200, 200, 3), 0.4)
    tiny[80:130, 80:130] = resized(sample, 50, 50)
    box = torch.tensor([93.0, 90.0, 115.0, 114.0])
    with pytest.raises(ValueError, match="px wide. Use a picture where it is at least 32 px"):
        prepare_portrait(tiny, landmarker=landmarker, head=head, face_box=box)


def test_a_face_of_exactly_32_px_is_taken(head):
    finder = Finds(head)
    width = finder.landmarks[:, 0].max() - finder.landmarks[:, 0].min()
    finder.landmarks = finder.landmarks * (32.01 / width)
    prepare_portrait(places(200, 200), landmarker=finder, head=head, size=128)


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (70, 50)])
def test_no_face_is_answered(head, landmarker, size):
    noise = torch.rand(*size, 3, generator=torch.Generator().manual_seed(1))
    with pytest.raises(ValueError, match="^No face found in 'image'. Use .* connect 'face_box'.$"):
        prepare_portrait(noise, landmarker=landmarker, head=head)


def test_a_drawing_without_a_face_is_answered(head, landmarker):
    picture = Image.new("RGB", (200, 200), "white")
    draw = ImageDraw.Draw(picture)
    for x in (70, 110):
        draw.rectangle((x, 70, x + 20, 80), fill="black")
    draw.line((70, 140, 130, 140), fill="black", width=4)
    pixels = torch.frombuffer(bytearray(picture.tobytes()), dtype=torch.uint8)
    with pytest.raises(ValueError, match="^No face found"):
        prepare_portrait(pixels.view(200, 200, 3).float() / 255, landmarker=landmarker, head=head)


@pytest.mark.parametrize(
    "box",
    [
        [0.0, 300.0, 60.0, 360.0],
        [-500.0, -500.0, -400.0, -400.0],
        [9000.0, 0.0, 9100.0, 100.0],
        [200.0, 200.0, 200.0, 200.0],
    ],
    ids=["background", "before", "beyond", "point"],
)
def test_a_box_without_a_face_is_answered(head, landmarker, sample, box):
    with pytest.raises(ValueError, match="^No face found in the 'face_box' of 'image'"):
        prepare_portrait(sample, landmarker=landmarker, head=head, face_box=torch.tensor(box))


def test_faces_are_counted_from_the_largest(head, landmarker, sample):
    both = torch.full((400, 620, 3), 0.4)
    both[:200, :200] = resized(sample, 200, 200)
    both[:, 220:] = sample

    found = Finds(head)
    faces = landmarker.faces(both)
    found.faces = lambda image, box: faces

    def prepared(index):
        return prepare_portrait(
            both, landmarker=found, head=head, size=128, face_index=index
        ).to_source[0]

    assert prepared(None)[2] > prepared(1)[2]
    assert torch.equal(prepared(0), prepared(None))
    for index in (2, -1, 99):
        with pytest.raises(
            ValueError, match=rf"'face_index' is {index}, but .* has 2 faces. Use 0"
        ):
            prepared(index)


def test_face_index_of_a_lonely_face(head, landmarker, sample):
    with pytest.raises(ValueError, match=r"'face_index' is 1, but 'image' has 1 face. Use 0"):
        prepare_portrait(sample, landmarker=landmarker, head=head, face_index=1)


@pytest.mark.parametrize("size", [127, 2049, 0])
def test_crop_sizes_have_a_range(head, size):
    with pytest.raises(ValueError, match=f"^'size' is {size}. Use a crop of 128 to 2048 px.$"):
        prepare_portrait(places(400, 400), landmarker=Finds(head), head=head, size=size)


def test_a_huge_picture_is_not_copied(head):
    """8000 x 6000 px, one value in memory: only the crop may be made."""
    source = torch.full((1, 1, 3), 0.25).expand(6000, 8000, 3)
    finder = Finds(head, scale=300.0, place=(6000.0, 3000.0))
    made = prepare_portrait(source, landmarker=finder, head=head, size=256)
    assert made.source.data_ptr() == source.data_ptr()
    assert torch.allclose(made.image, torch.tensor(0.25), atol=1e-5)
    assert made.to_source[0, 0] > 2
    assert (made.to_source[:, 2] > 2000).all()


def test_grey_and_transparent_pictures(head, landmarker, sample, portrait):
    grey = as_rgb(sample.mean(-1, keepdim=True))
    opaque = as_rgb(torch.cat((sample, torch.ones(400, 400, 1)), -1))
    assert torch.allclose(opaque, sample, atol=1e-6)
    made = prepare_portrait(grey, landmarker=landmarker, head=head, size=256)
    assert torch.equal(made.image[..., 0], made.image[..., 2])
    assert (made.landmarks - portrait.landmarks)[:, :2].norm(dim=1).mean() < 3
    nothing = as_rgb(torch.cat((sample, torch.zeros(400, 400, 1)), -1))
    with pytest.raises(ValueError, match="^No face found"):
        prepare_portrait(nothing, landmarker=landmarker, head=head)


def test_shut_eyes_are_taken_and_stay_shut(head, landmarker, portrait):
    closed = portrait.head.expression.clone()
    closed[BLINKS] = 1.0
    still = torch.zeros(1, 3)
    asleep = MotionFrames(head, portrait).draw(closed[None], still, still)[0]
    made = prepare_portrait(asleep, landmarker=landmarker, head=head, size=256)
    blinking = made.head.expression.clone()
    blinking[BLINKS] = 1.0
    frame = MotionFrames(head, made).draw(blinking[None], still, still)[0]
    assert frame.isfinite().all()


def test_landmarks_of_another_landmarker_are_used(head, landmarker, sample, portrait):
    theirs = landmarker.faces(sample)[0].landmarks + torch.tensor([6.0, -4.0, 0.0])
    made = prepare_portrait(sample, landmarker=landmarker, head=head, size=256, landmarks=theirs)
    assert torch.allclose(through(made.to_source, made.landmarks[:, :2]), theirs[:, :2], atol=0.01)


def test_bad_landmarks_are_answered(head, sample):
    finder = Finds(head)
    for points, message in (
        (torch.full((478, 3), math.nan), "'face_landmarks' holds values that are no numbers"),
        (torch.zeros(478, 3), "The face in 'image' is 0 px wide"),
        (torch.zeros(468, 3), r"Face.landmarks has shape \[468, 3\], needed is \[478, 3\]"),
    ):
        with pytest.raises(ValueError, match=message):
            prepare_portrait(sample, landmarker=finder, head=head, landmarks=points)


def test_the_picture_is_not_changed(head, landmarker, sample):
    before = sample.clone()
    prepare_portrait(sample, landmarker=landmarker, head=head, size=128)
    assert torch.equal(sample, before)
