"""Several takes of one speech as a contact sheet: a row for each, at moments where they differ.

Shapes: T frames, N takes, M moments, H W crop px.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from ..drawing import FAINT, INK, PAPER
from ..head import HeadModel
from ..speech import exact_fps
from ..types import Emotion, Motion, Portrait
from .audio_to_motion import AudioToMotion, motion_from_audio
from .dials import Dials
from .frames import MotionFrames
from .parts import columns_of

MOST_SEED = 2**64 - 1
DRAWN = 352  # px, side of the head crop that is drawn
CELL = 256  # px, side of what is shown of it, around the face
GAP = 6  # px between pictures
LABEL = 92  # px, width of the column of seeds
TITLE = 24  # px, height of the row of times
TEXT = 14  # px
PICKED = (230, 159, 0)  # frame around the picked row, of the palette of Okabe and Ito
FREE = ("brows", "gaze")  # parts of the face that differ from take to take


def seeds_of(first: int, count: int) -> list[int]:
    """As many seeds, counting up from the first and starting again at 0 after the largest.

    Raises:
        ValueError: There would be less than 2 or more than 9.
    """
    if not 2 <= count <= 9:
        raise ValueError(f"'count' is {count}. Use 2 to 9 takes.")
    return [(first + i) % (MOST_SEED + 1) for i in range(count)]


def picked(seeds: Sequence[int], pick: int) -> int:
    """The seed of a take counted from 1.

    Raises:
        ValueError: There is no such take.
    """
    if not 1 <= pick <= len(seeds):
        raise ValueError(
            f"'pick' is {pick}, but there are {len(seeds)} takes. Use 1 to {len(seeds)}, or a "
            "larger 'count'."
        )
    return seeds[pick - 1]


def all_takes(
    model: AudioToMotion,
    waveform: Tensor,
    sample_rate: int,
    seeds: Sequence[int],
    *,
    fps: float,
    temperature: float,
    rest: Tensor,
    emotion: Emotion | None,
    dials: Dials,
    on_step: Callable[[int, int], None],
) -> list[Motion]:
    """A motion for each seed, as `motion_from_audio` makes it.

    Args:
        model: The network.
        waveform: [C, S] the speech.
        sample_rate: In Hz.
        seeds: One for each take.
        fps: Video frames a second, 8 to 60.
        temperature: How much chance there is, 0 to 2.
        rest: [52] the photo's own coefficients.
        emotion: What is felt, as long as the audio; None: nothing.
        dials: How much of each part is shown.
        on_step: Called with (takes done, takes in all); may raise to cancel.

    Raises:
        ValueError: As of `motion_from_audio`.
    """
    takes: list[Motion] = []
    for seed in seeds:
        on_step(len(takes), len(seeds))
        take = motion_from_audio(
            model,
            waveform,
            sample_rate,
            fps=fps,
            seed=seed,
            temperature=temperature,
            rest=rest,
            emotion=emotion,
            dials=dials,
        )
        takes.append(take)
    on_step(len(takes), len(seeds))
    return takes


def moments_of(takes: Sequence[Motion], count: int) -> list[int]:
    """Frames, rising, one from each equal part of the clip: where the takes differ most.

    Takes differ by the head's turn, brows and gaze; where they are all the same it is the middle
    of the part.
    """
    frames = takes[0].frames
    columns = [i for part in FREE for i in columns_of(part)]
    tracks = torch.stack(
        [torch.cat((t.head_rotation, t.coefficients[:, columns]), 1) for t in takes]
    )
    spread = tracks.var(0, correction=0).sum(1)  # [T]
    out = []
    for part in range(count):
        first = part * frames // count
        last = max(first + 1, (part + 1) * frames // count)
        here = spread[first:last]
        same = bool(here.max() - here.min() <= 1e-9)
        out.append(first + (len(here) // 2 if same else int(here.argmax())))
    return sorted(set(min(frame, frames - 1) for frame in out))


class ContactSheet:
    """Draws takes of one portrait, reduced to small pictures to be quick."""

    def __init__(
        self, head: HeadModel, portrait: Portrait, device: torch.device | None = None
    ) -> None:
        """Args: head: The fitted one. portrait: Who. device: Where to draw, the CPU by default."""
        small = reduced(portrait, DRAWN)
        self.frames = MotionFrames(head, small, device)
        side = small.image.shape[0]
        self.cell = min(CELL, side)
        low, high = small.landmarks[:, :2].amin(0), small.landmarks[:, :2].amax(0)
        corner = ((low + high - self.cell) / 2).round().long().clamp(0, side - self.cell)
        self.left, self.top = corner.tolist()

    def draw(
        self,
        takes: Sequence[Motion],
        seeds: Sequence[int],
        pick: int,
        moments: int,
        *,
        on_step: Callable[[int, int], None] | None = None,
    ) -> Tensor:
        """The sheet [1, H, W, 3] 0..1.

        Args:
            takes: N motions of the same length.
            seeds: Their labels.
            pick: Which row is framed, counted from 1.
            moments: How many pictures a row has at most.
            on_step: Called with (rows done, rows in all); may raise to cancel.

        Raises:
            ValueError: The takes are of different length.
        """
        if len({take.frames for take in takes}) != 1:
            raise ValueError("The takes differ in length. Make all from the same audio.")
        at = moments_of(takes, moments)
        cell = self.cell
        width = LABEL + len(at) * (cell + GAP) + GAP
        height = TITLE + len(takes) * (cell + GAP) + GAP
        sheet = Image.new("RGB", (width, height), PAPER)
        draw = ImageDraw.Draw(sheet)
        font, large = ImageFont.load_default(TEXT), ImageFont.load_default(2 * TEXT)
        rate = float(exact_fps(takes[0].fps))
        for column, frame in enumerate(at):
            x = LABEL + GAP + column * (cell + GAP) + cell / 2
            draw.text((x, TITLE / 2 + 2), f"{(frame + 0.5) / rate:.2f} s", FAINT, font, anchor="mm")
        for row, (take, seed) in enumerate(zip(takes, seeds, strict=True)):
            if on_step:
                on_step(row, len(takes))
            y = TITLE + GAP + row * (cell + GAP)
            pictures = self.frames.draw(
                take.coefficients[at], take.head_rotation[at], take.head_translation[at]
            )
            down, across = slice(self.top, self.top + cell), slice(self.left, self.left + cell)
            for column, picture in enumerate(pictures[:, down, across].cpu()):
                pixels = (picture * 255).round().byte().numpy()
                sheet.paste(Image.fromarray(pixels), (LABEL + GAP + column * (cell + GAP), y))
            chosen = row + 1 == pick
            colour = PICKED if chosen else INK
            draw.text((GAP, y + cell / 2 - 1.8 * TEXT), f"{row + 1}", colour, large, anchor="lm")
            text = _tail(str(seed), LABEL - 2 * GAP, lambda one: draw.textlength(one, font))
            draw.text((GAP, y + cell / 2), "seed", FAINT, font, anchor="lm")
            draw.text((GAP, y + cell / 2 + 1.2 * TEXT), text, colour, font, anchor="lm")
            if chosen:
                box = (LABEL + GAP / 2, y - GAP / 2, width - GAP / 2 - 1, y + cell + GAP / 2 - 1)
                draw.rectangle(box, outline=PICKED, width=GAP // 2)
        if on_step:
            on_step(len(takes), len(takes))
        return torch.from_numpy(np.array(sheet)).float()[None] / 255


def reduced(portrait: Portrait, size: int) -> Portrait:
    """The portrait with a head crop of at most that side in px."""
    have = portrait.image.shape[0]
    if have <= size:
        return portrait
    ratio = size / have
    image = F.interpolate(
        portrait.image.permute(2, 0, 1)[None], (size, size), mode="bicubic", antialias=True
    )
    head = replace(
        portrait.head,
        scale=portrait.head.scale * ratio,
        translation=portrait.head.translation * ratio,
    )
    return replace(
        portrait,
        image=image[0].permute(1, 2, 0).clamp(0, 1).contiguous(),
        landmarks=portrait.landmarks * ratio,
        head=head,
        to_source=portrait.to_source * torch.tensor([1 / ratio, 1 / ratio, 1.0]),
    )


def _tail(text: str, room: float, length: Callable[[str], float]) -> str:
    """Text, of which only the end is kept, after …, where it does not fit."""
    kept = text
    while length(kept) > room:
        kept = "…" + kept.removeprefix("…")[1:]
    return kept
