"""How the face stands in the picture: framing, size, pose, eyes, mouth.

Shapes: K = 478 landmarks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from ..head import rotation_angles
from ..landmarks import EYES, MOUTH_CORNERS
from ..types import ARKIT_INDEX, Portrait
from .fact import Fact, face_width, sureness
from .panels import panels
from .photo_light import brightness, sampled, to_lab

FOREHEAD, CHIN = 10, 152  # landmarks at the ends of the face's height
NOSE = 1  # landmark at its tip

# Framing by what of the picture lies under the chin, in face heights: forehead to chin is about
# three quarters of a head, the chest 0.8 of it under the chin, the waist 2.6, the knees 5.5, the
# feet of one who stands 8.5.
FRAMING = (("close-up", 0.75), ("head and shoulders", 1.25), ("medium close-up", 1.7),
           ("upper body", 3.9), ("medium wide", 4.6))  # fmt: skip
CLOSE = 0.5  # of the picture's height: a face as large is a close-up whatever it belongs to
LOOSE = 0.4  # the same: the face of a close-up has at least that, whatever the picture cuts off
# forehead to chin and bridge to base of the nose, over the distance of the face's edges, of a
# person of such proportions: cats, otters and dolls have rounder faces, babies shorter noses
TALL, NOSE_LONG = 1.0, 0.3
BRIDGE, BASE = 168, 2  # landmarks at the ends of the nose
WHOLE = 8.5  # face heights under the chin from which anybody is seen whole; a child is from 5
TIGHT = 0.68  # of the picture's height: a face larger than that fills it
# face heights under the chin: up to the first of an extreme close-up, from the last of a close-up
NECK, SHOULDERS = 0.17, 0.25
HAIRLINE = 1.05, 1.25  # times forehead to chin: the face from hairline to chin, least and most
NAMED = 1.15  # times a share of SIZES, or the share times: what still has its name
SIZES = (("a tenth", 0.10), ("a fifth", 0.20), ("a quarter", 0.25), ("a third", 1 / 3),
         ("half", 0.5), ("two thirds", 2 / 3))  # fmt: skip
FACING, CLEARLY, FAR = 11.0, 22.0, 40.0  # degrees of yaw
# how far the nose may lie from the middle between the face's two edges, over their distance
NOSE_FACING, NOSE_SLIGHTLY = 0.2, 0.36
EDGES = (234, 454)  # landmarks at the edges of the face
LYING = 35.0  # degrees of roll beyond which the chin no longer tells the framing
TILTED, NODDING = 9.0, 26.0  # degrees of roll and pitch
# degrees of yaw from which a head that is raised seems tilted, and of roll that it then needs
SIDEWAYS, ASKEW = 28.0, 20.0
EYES_SHUT, EYES_OPEN = 0.15, 0.17  # distance of the lids over the eye's width
IRIS = 0.12  # pixel values between iris and white, of an eye that is seen
UNDER_EYES = ((450, 280), (230, 50))  # landmarks under the left and right eye, and on the cheek
LIDS_APART = 0.165  # of one eye that is not shut
WINK = 0.55  # of the wider eye's opening: the other eye is not what this one is
TINT = 3.0  # CIELAB chroma; of an eye that is seen the white has less of it than the cheek
COVERED = 0.5  # brightness under the eye over that of the cheek
GLASS = 0.18  # the same of lids that are down: less is a dark glass before them
# distance of the inner lips over the width of the mouth: closed up to the first, open from the last
SHUT, PARTED, AJAR, OPEN = 0.025, 0.12, 0.22, 0.25
# degrees of yaw beyond which lips that seem closed may be parted, and the face has no size
ASIDE = 40.0
SMALLEST = 64.0  # px, width of a face whose eyes and mouth are told
DOTS = 96.0  # the same of what may be no person: a small doll's eyes are dots, and a dot its mouth
# landmarks from above to below on upper and lower lip: right, in the middle, left
LIPS = ((37, 82, 87, 84), (0, 13, 14, 17), (267, 312, 317, 314))
INNER_LIPS = tuple(k for way in LIPS for k in way[1:3])
GAPE = 0.25  # of the way from lip to lip that is less than half as bright, in a mouth not closed
# of a lip's saturation, under which what lies between is teeth; and of lips that have a colour
PALE, COLOURFUL = 0.75, 0.12
JAW = 0.32  # jawOpen of an open mouth: lips that show closed teeth are none
# jawOpen that lets a dark gap be an open mouth between AJAR and OPEN, and where the edge cuts it
LOWERED = 0.25
# or else half of what is seen between the lips has less than 0.6 of the brightness of its lightest
# place: closed teeth are light all the way
HOLLOW, TEETH = 0.5, 0.6
GAPING = 0.45  # distance of the lips over the mouth's width that no closed teeth fill
SMILE = 0.33  # mean of both mouthSmile


def pose_facts(portrait: Portrait, *, person: bool = True) -> list[Fact]:
    """Framing, face size, turn, tilt, nod, eyes, mouth and smile, as far as they can be told.

    Args:
        portrait: The picture.
        person: Whether the face is surely a person's, with a person's body under it.
    """
    size = _size(portrait) if person else []
    facts = [*_framing(portrait, person), *size, *_pose(portrait)]
    if face_width(portrait) >= (SMALLEST if person else DOTS):
        if inside(portrait, [k for eye in EYES for k in eye.loop]):
            facts += _eyes(portrait)
        facts += _mouth(portrait)
    return facts


def human(portrait: Portrait) -> bool:
    """Whether face and nose are as long as a person's."""
    points = portrait.landmarks[[FOREHEAD, CHIN, BRIDGE, BASE, *EDGES], :3]
    height, nose, width = (points[0::2] - points[1::2]).norm(dim=1).tolist()
    return bool(height > TALL * width and nose > NOSE_LONG * width)


def face_height(portrait: Portrait) -> float:
    """Forehead to chin in px of the source."""
    points = _in_source(portrait, portrait.landmarks[[FOREHEAD, CHIN], :2])
    return float((points[0] - points[1]).norm())


def nearest_share(share: float) -> str:
    """The name of SIZES that is nearest to a share of the picture's height."""
    return min(SIZES, key=lambda item: abs(math.log(share / item[1])))[0]


def _in_source(portrait: Portrait, points: Tensor) -> Tensor:
    return points @ portrait.to_source[:, :2].T + portrait.to_source[:, 2]


def _framing(portrait: Portrait, person: bool) -> list[Fact]:
    """How much of the body is shown; nothing of a face that lies, or in a collage.

    It is counted in a person's proportions: of what may be none, only close-ups are told.
    """
    _, _, roll = rotation_angles(portrait.head.rotation)
    if abs(math.degrees(float(roll))) > LYING or panels(portrait.source):
        return []
    height = portrait.source.shape[0]
    face = face_height(portrait)
    share = face / height
    chin = _in_source(portrait, portrait.landmarks[[CHIN], :2])[0]
    under = (height - float(chin[1])) / face
    edges = [one for _, one in FRAMING]
    if edges[-1] <= under <= WHOLE or (share > TIGHT and NECK <= under < SHOULDERS):
        return []
    name = next((one for one, edge in FRAMING if under < edge), "wide")
    if name == "close-up" and share < LOOSE:
        return []
    nearest = min(edges, key=lambda one: abs(math.log(max(under, 0.05) / one)))
    sure = sureness(math.log(max(under, 0.05)), math.log(nearest), 0.4)
    if share > TIGHT and under < NECK:
        name, sure = "extreme close-up", sureness(share, TIGHT, 0.2)
    if not person and (name not in ("close-up", "extreme close-up") or share < CLOSE):
        return []
    size = f"the face is {100 * share:.0f} % of the picture's height"
    return [
        Fact(
            subject="framing",
            value=name,
            measured=f"{size}, with {max(under, 0.0):.1f} face heights under the chin",
            confidence=sure,
        )
    ]


def _size(portrait: Portrait) -> list[Fact]:
    """Which share of the picture's height the face fills, if all of it is seen from the front."""
    _, yaw, roll = (math.degrees(float(a)) for a in rotation_angles(portrait.head.rotation))
    if abs(roll) > LYING:
        return []
    height = portrait.source.shape[0]
    face = face_height(portrait)
    low, high = (times * face / height for times in HAIRLINE)
    name = nearest_share(low)
    if face > TIGHT * height:
        name = "most"
    else:
        named = dict(SIZES)[name]
        top, chin = _in_source(portrait, portrait.landmarks[[FOREHEAD, CHIN], :2])[:, 1].tolist()
        cut = top < (HAIRLINE[1] - 1.0) * face or chin > height
        if cut or abs(yaw) > ASIDE or named / low > NAMED or high / named > NAMED:
            return []
    measured = f"hairline to chin is {100 * low:.0f} to {100 * high:.0f} % of the height"
    return [Fact(subject="face size", value=name, measured=measured, confidence=0.9)]


def nose_aside(landmarks: Tensor) -> float:
    """How far the nose's tip is from the middle of the face's edges, over their distance.

    Args:
        landmarks: [478, 2 or 3] px.
    """
    left, right = landmarks[list(EDGES), :2].unbind(0)
    across = right - left
    place = float((landmarks[NOSE, :2] - left) @ across) / max(float(across @ across), 1e-6)
    return abs(place - 0.5)


def _pose(portrait: Portrait) -> list[Fact]:
    pitch, yaw, roll = (math.degrees(float(a)) for a in rotation_angles(portrait.head.rotation))
    # roll > 0 tilts the top of the head to the left of the picture
    side = "right" if yaw > 0 else "left"
    facts = []
    steps = {"camera": FACING, f"slightly {side}": CLEARLY, side: FAR, f"far {side}": 90.0}
    turn = next(value for value, most in steps.items() if abs(yaw) < most)
    most = {"camera": NOSE_FACING, f"slightly {side}": NOSE_SLIGHTLY}.get(turn, math.inf)
    if nose_aside(portrait.landmarks) < most:
        # "turned to the left" is true of one that is turned slightly or far as well
        edge = FAR if turn.startswith("far") else FACING
        facts.append(
            Fact(
                subject="turn",
                value=turn,
                measured=f"the nose is turned {abs(yaw):.0f}° to the {side} of the picture",
                confidence=sureness(abs(yaw), edge, 8.0),
            )
        )
    lean = "left" if roll > 0 else "right"
    leaning = f"the head leans {abs(roll):.0f}° to the {lean} of the picture"
    way = "down" if pitch > 0 else "up"
    bent = f"the head is bent {abs(pitch):.0f}° {way}"
    for subject, value, angle, limit, width, measured in (
        ("tilt", lean, abs(roll), TILTED if abs(yaw) < SIDEWAYS else ASKEW, 6.0, leaning),
        ("nod", way, abs(pitch), NODDING, 8.0, bent),
    ):
        if angle > limit:
            sure = sureness(angle, limit, width)
            facts.append(Fact(subject=subject, value=value, measured=measured, confidence=sure))
    return facts


def eye_openings(landmarks: Tensor) -> list[float]:
    """Mean distance of the lids over the eye's width, of each eye of landmarks [478, 3]."""
    shares = []
    for eye in EYES:
        points = landmarks[:, :3]
        width = (points[eye.upper[0]] - points[eye.upper[-1]]).norm()
        inner = list(zip(eye.upper[2:-2], eye.lower[1:-1], strict=True))  # the middle five
        gaps = torch.stack([(points[a, :2] - points[b, :2]).norm() for a, b in inner])
        shares.append(float(gaps.mean() / width))
    return shares


def eyes_seen(portrait: Portrait) -> float:
    """How clearly an open eye is seen, in pixel values: how much darker its iris is than its white.

    Of the clearer eye; one whose skin underneath is far darker than the cheek is covered and does
    not count.
    """
    seen = [eye for eye in _at_eyes(portrait) if float(eye[3]) > COVERED * float(eye[4])]
    return max((float(eye[1:3].max() - eye[0]) for eye in seen), default=0.0)


def lids_seen(portrait: Portrait) -> bool:
    """Whether there is skin, and no dark glass, where one of the eyes is."""
    return any(
        float(eye[3]) > COVERED * float(eye[4]) and float(eye[0]) > GLASS * float(eye[4])
        for eye in _at_eyes(portrait)
    )


def tinted(portrait: Portrait) -> bool:
    """Whether what should be the white of the eyes has more colour than the cheeks."""
    lab = to_lab(_pixels_at_eyes(portrait))
    white, cheek = lab[:, 1:3].mean((0, 1)), lab[:, 4].mean(0)
    return float(white[1:].norm() - cheek[1:].norm()) > TINT


def _at_eyes(portrait: Portrait) -> Tensor:
    """Brightness of the pixels of `_pixels_at_eyes`, [2, 5]."""
    return brightness(_pixels_at_eyes(portrait))


def _pixels_at_eyes(portrait: Portrait) -> Tensor:
    """RGB [2, 5, 3] at either eye: at its iris, at both sides, under the eye, on the cheek."""
    points = portrait.landmarks[:, :2]
    out = []
    for eye, (under, cheek) in zip(EYES, UNDER_EYES, strict=True):
        iris = points[eye.iris[0]]
        corners = points[[eye.upper[0], eye.upper[-1]]]
        white = iris + 0.62 * (corners - iris)
        places = torch.stack((iris, *white, points[under], points[cheek]))
        out.append(sampled(portrait.image, places))
    return torch.stack(out)


def _eyes(portrait: Portrait) -> list[Fact]:
    openings = eye_openings(portrait.landmarks)
    opening = sum(openings) / 2
    if EYES_SHUT < opening < EYES_OPEN:
        return []  # narrowed or shut, which cannot be told
    if max(openings) > LIDS_APART and min(openings) < WINK * max(openings):
        return []  # one of each
    if opening >= EYES_OPEN and (eyes_seen(portrait) < IRIS or tinted(portrait)):
        return []  # behind glasses, or not seen
    if opening <= EYES_SHUT and (max(openings) > LIDS_APART or not lids_seen(portrait)):
        return []
    return [
        Fact(
            subject="eyes",
            value="open" if opening >= EYES_OPEN else "closed",
            measured=f"the lids are {opening:.2f} of the eyes' width apart",
            confidence=sureness(opening, (EYES_SHUT + EYES_OPEN) / 2, 0.08),
        )
    ]


def mouth_opening(landmarks: Tensor) -> float:
    """Distance of the inner lips over the mouth's width, of landmarks [478, 3]."""
    gap = (landmarks[13, :2] - landmarks[14, :2]).norm()
    width = (landmarks[MOUTH_CORNERS[0], :3] - landmarks[MOUTH_CORNERS[1], :3]).norm()
    return float(gap / width)


def dark_between(portrait: Portrait) -> float:
    """Share of the way from the middle of one lip to that of the other that is half as bright.

    The greatest of three ways. Landmarks lie on each other where lips are a little apart; what is
    dark is then seen.
    """
    shares = []
    for way in LIPS:
        upper, lower = portrait.landmarks[list(way), :2].view(2, 2, 2).mean(1)
        places = upper + (lower - upper) * torch.linspace(0.0, 1.0, 21)[:, None]
        at = brightness(sampled(portrait.image, places))
        shares.append(float((at < 0.5 * torch.minimum(at[0], at[-1])).double().mean()))
    return max(shares)


def pale_between(portrait: Portrait) -> bool:
    """Whether a rim of teeth shows between lips that nearly meet: paler than either lip."""
    for way in LIPS:
        upper, lower = portrait.landmarks[list(way), :2].view(2, 2, 2).mean(1)
        at = sampled(portrait.image, upper + (lower - upper) * torch.linspace(0, 1, 21)[:, None])
        colour = 1 - at.amin(1) / at.amax(1).clamp_min(0.02)
        lips = min(float(colour[:4].mean()), float(colour[-4:].mean()))
        if lips > COLOURFUL and float(colour[5:16].min()) < PALE * lips:
            return True
    return False


def hollow(portrait: Portrait) -> float:
    """Share of what is seen between the inner lips that is no teeth, if there are any."""
    shares = []
    for _, upper, lower, _ in LIPS:
        first, last = portrait.landmarks[[upper, lower], :2]
        places = first + (last - first) * torch.linspace(0.12, 0.88, 21)[:, None]
        at = brightness(sampled(portrait.image, places))
        shares.append(float((at < TEETH * at.max()).double().mean()))
    return sum(shares) / len(shares)


def inside(portrait: Portrait, points: Sequence[int]) -> bool:
    """Whether landmarks lie in the picture: of a face that the edge cuts, some are guessed."""
    places = _in_source(portrait, portrait.landmarks[list(points), :2])
    height, width = portrait.source.shape[:2]
    return bool(((places > 0) & (places < places.new_tensor([width, height]))).all())


def _mouth(portrait: Portrait) -> list[Fact]:
    """How far the lips are apart, and a smile if all of the mouth lies in the picture."""
    facts = _lips(portrait)
    own = portrait.head.expression
    smile = float(own[ARKIT_INDEX["mouthSmileLeft"]] + own[ARKIT_INDEX["mouthSmileRight"]]) / 2
    if smile > SMILE and inside(portrait, INNER_LIPS):
        facts.append(
            Fact(
                subject="smile",
                value="smiling",
                measured=f"mouthSmile is {smile:.2f}",
                confidence=sureness(smile, SMILE, 0.3),
            )
        )
    return facts


def _lips(portrait: Portrait) -> list[Fact]:
    gap = mouth_opening(portrait.landmarks)
    yaw = math.degrees(float(rotation_angles(portrait.head.rotation)[1]))
    jaw = float(portrait.head.expression[ARKIT_INDEX["jawOpen"]])
    unclear = SHUT < gap < PARTED
    unclear |= gap <= SHUT and (dark_between(portrait) > GAPE or pale_between(portrait))
    if AJAR < gap < OPEN or not inside(portrait, INNER_LIPS):
        unclear |= jaw < LOWERED or hollow(portrait) < HOLLOW
    elif OPEN <= gap < GAPING and jaw < JAW:
        unclear |= hollow(portrait) < HOLLOW
    # where the edge cuts off a lip, it may be farther away than it seems
    unclear |= gap <= AJAR and not inside(portrait, [k for way in LIPS for k in way])
    if unclear or (gap < OPEN and abs(yaw) > ASIDE):
        return []
    edge = min(((SHUT + PARTED) / 2, (AJAR + OPEN) / 2), key=lambda one: abs(gap - one))
    return [
        Fact(
            subject="mouth",
            value="closed" if gap <= SHUT else "parted" if gap <= AJAR else "open",
            measured=f"the lips are {gap:.2f} of the mouth's width apart",
            confidence=sureness(gap, edge, 0.06),
        )
    ]
