"""The parts of a face by name: lips, jaw, brows, eyes, gaze, cheeks, head.

Shapes: C = 52 coefficients.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..types import ARKIT_INDEX, ARKIT_NAMES

# Part → how the names of its coefficients begin; every coefficient is in exactly one part.
PARTS: dict[str, tuple[str, ...]] = {
    "lips": ("mouth", "tongue"),
    "jaw": ("jaw",),
    "brows": ("brow",),
    "eyes": ("eyeBlink", "eyeSquint", "eyeWide"),
    "gaze": ("eyeLook",),
    "cheeks": ("cheek", "nose"),
}
HEAD = "head"  # rotation and translation
EVERYTHING = "everything"
NAMES: tuple[str, ...] = (*PARTS, HEAD)  # in the order in which they are offered


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Some of a motion's tracks."""

    columns: tuple[int, ...]  # of the 52 coefficients, rising
    head: bool  # whether the head's rotation and translation are among them


def columns_of(part: str) -> tuple[int, ...]:
    """Where a part's coefficients stand among the 52; none for the head."""
    starts = PARTS.get(part, ())
    return tuple(i for i, name in enumerate(ARKIT_NAMES) if name.startswith(starts) and starts)


def parse_parts(text: str) -> Selection:
    """The tracks named in a list like "lips, jaw, browInnerUp".

    Names are those of parts, "everything", coefficients, or how coefficients begin, like mouthSmile
    for both of its sides; capitals do not matter.

    Args:
        text: Names with commas, spaces or line breaks between.

    Raises:
        ValueError: A name is unknown, or there is none.
    """
    columns: set[int] = set()
    head = False
    words = text.replace(",", " ").split()
    for word in words:
        name = word.lower()
        if name == EVERYTHING:
            columns.update(range(len(ARKIT_NAMES)))
            head = True
        elif name == HEAD:
            head = True
        elif name in PARTS:
            columns.update(columns_of(name))
        elif found := [i for full, i in ARKIT_INDEX.items() if _begins(full, name)]:
            columns.update(found)
        else:
            raise ValueError(
                f"'parts' names '{word}', which is no part of a face. Use {', '.join(NAMES)}, "
                f"{EVERYTHING}, or names of coefficients like jawOpen."
            )
    if not words:
        raise ValueError(
            f"'parts' is empty. Name at least one of {', '.join(NAMES)}, {EVERYTHING}, or names "
            "of coefficients like jawOpen."
        )
    return Selection(columns=tuple(sorted(columns)), head=head)


def _begins(full: str, start: str) -> bool:
    """Whether a coefficient's name begins with whole words of it, in small letters."""
    left = full[len(start) :]
    return full.lower().startswith(start) and (not left or left[0].isupper())
