"""A scene by rules: facts become a prompt, always the same for the same facts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate

from ..types import Scene
from .clean import one_line, quoted
from .fact import Facts, Feeling, Spoken
from .phrases import STYLES, course, feeling, phrase

Count = Callable[[str], int]  # tokens of a text

# Clauses in the order in which they stand, each with its rank: the higher, the sooner it is left
# out where the prompt is too long.
_PICTURE = (("framing", 1), ("face size", 12), ("turn", 3), ("tilt", 8), ("nod", 9), ("eyes", 5),
            ("mouth", 7), ("smile", 4))  # fmt: skip
_LIGHT = (("light", 2), ("brightness", 6), ("warmth", 6))
_AROUND = (("background", 7), ("colours", 10))
_VOICE = (("rate", 9), ("pauses", 13), ("pitch", 11), ("loudness", 13), ("emphasis", 13))
NOTES, FELT, SPEAKING, SAID = 0, 1, 2, 8  # ranks of the rest
ALWAYS = ("deformed face", "text", "watermark")
OPPOSITE = {
    ("eyes", "open"): "closed eyes",
    ("eyes", "closed"): "open eyes",
    ("turn", "camera"): "profile view",
    ("background", "plain"): "busy background",
}


def describe(
    facts: Facts, *, style: str, limit: int, words: int, count: Count
) -> tuple[Scene, str]:
    """A scene by rules, and a remark on what was left out; nothing if all of it fits.

    Args:
        facts: What is known.
        style: One of STYLES.
        limit: Tokens that the prompt and the negative may have; 0 is no limit.
        words: How many of the spoken words the prompt and each beat quote at most.
        count: Tells the tokens of a text.

    Raises:
        ValueError: The style is unknown, or nothing is known at all.
    """
    if style not in STYLES:
        raise ValueError(f"'style' is '{style}'. Use one of {', '.join(STYLES)}.")
    if not (facts.facts or facts.feelings or facts.words or facts.notes.strip()):
        raise ValueError(
            "There is nothing to describe. Connect 'portrait', 'audio' or 'emotion', or write "
            "'text' or 'notes'."
        )
    sentences = _sentences(facts, style, words)
    prompt, left_out = _fit(sentences, style, limit, count)
    negative = shorten(_negative(facts), limit, count)
    scene = Scene(
        prompt=prompt,
        negative=negative,
        beats=beats(facts, style, words),
        author="rules",
    )
    remark = f"Left out to stay within {limit} tokens: {'; '.join(left_out)}." if left_out else ""
    return scene, remark


Clause = tuple[int, str]  # rank, words


def _sentences(facts: Facts, style: str, words: int) -> list[list[Clause]]:
    """Clauses of each sentence."""
    tag = style == "tags"

    def told(subjects: Sequence[tuple[str, int]]) -> list[Clause]:
        found = [(rank, phrase(facts, subject, tag)) for subject, rank in subjects]
        return [one for one in found if one[1]]

    notes = one_line(facts.notes)
    picture, light, around = told(_PICTURE), told(_LIGHT), told(_AROUND)
    voice = told(_VOICE) if facts.value("voice") == "speaking" else []
    speaking = phrase(facts, "voice", tag)
    felt = course(facts.feelings)
    out: list[list[Clause]] = [[(NOTES, notes)]] if notes else []
    if tag:
        felt = ", ".join(dict.fromkeys(feeling(one) for one in facts.feelings[:4]))
        head = [(SPEAKING, speaking)] if speaking else []
        return [*out, picture, light, around, [*head, *voice, *([(FELT, felt)] if felt else [])]]
    said = quoted(" ".join(one.text for one in facts.words), words)
    if style == "video" and picture:
        rank, first = picture[0]
        picture[0] = (rank, first.replace("portrait", "shot") if "shot" not in first else first)
    spoken: list[Clause] = []
    if speaking:
        manner = [one for one in voice if one[1] in ("slowly", "fast", "at a moderate pace")]
        rest = [one for one in voice if one not in manner]
        spoken = [(SPEAKING, " ".join([speaking, *(one[1] for one in manner)])), *rest]
    if style == "video" and spoken and facts.value("voice") == "speaking":
        spoken.append((10, "the mouth moving with the words"))
    if felt:
        spoken.insert(0 if not spoken else 1, (FELT, felt))
    out += [picture, light, around, spoken]
    if said:
        out.append([(SAID, f'saying "{said}"')])
    return out


def _fit(
    sentences: list[list[Clause]], style: str, limit: int, count: Count
) -> tuple[str, list[str]]:
    """The prompt within the limit, and the clauses that were left out."""
    kept = [list(sentence) for sentence in sentences]
    left_out: list[str] = []
    prompt = _compose(kept, style)
    while limit and count(prompt) > limit:
        ranks = [clause[0] for sentence in kept for clause in sentence]
        if not ranks or max(ranks) == NOTES:
            break
        worst = max(ranks)
        sentence = next(s for s in reversed(kept) if any(c[0] == worst for c in s))
        clause = next(c for c in reversed(sentence) if c[0] == worst)
        sentence.remove(clause)
        left_out.append(clause[1])
        prompt = _compose(kept, style)
    if limit and count(prompt) > limit:
        prompt = shorten(prompt, limit, count)
        left_out.append("the end of 'notes'")
    return prompt, left_out


def _compose(sentences: list[list[Clause]], style: str) -> str:
    texts = [", ".join(words for _, words in sentence) for sentence in sentences if sentence]
    if style == "tags":
        return ", ".join(texts)
    return " ".join(f"{text[0].upper()}{text[1:]}." for text in texts)


def shorten(text: str, limit: int, count: Count) -> str:
    """The text cut after a clause, or after a word, so that it has at most `limit` tokens.

    Args:
        text: Any.
        limit: 0 is no limit.
        count: Tells the tokens of a text.
    """
    if not limit or count(text) <= limit:
        return text
    for sign in (", ", " ", ""):
        parts = text.split(sign) if sign else list(text)
        low, high = 0, len(parts)
        while low < high:
            middle = (low + high + 1) // 2
            if count(sign.join(parts[:middle])) <= limit:
                low = middle
            else:
                high = middle - 1
        if low:
            return sign.join(parts[:low]).rstrip(" ,;:")
    return ""


def _negative(facts: Facts) -> str:
    """What must not be seen; of several people, some may be what one is not."""
    if facts.value("people") == "several":
        return ", ".join(ALWAYS)
    wanted = [
        words for (subject, value), words in OPPOSITE.items() if facts.value(subject) == value
    ]
    return ", ".join([*wanted, *ALWAYS])


def beats(facts: Facts, style: str, words: int) -> tuple[tuple[float, float, str], ...]:
    """What happens from when to when, over all of the speech.

    A new beat begins where the feeling changes or a sentence begins; what is not known is not
    told, and a stretch of which nothing is known has no beat. A sentence over several beats is
    shared out: its words follow each other as their letters do.
    """
    edges = {0.0, facts.seconds}
    edges |= {t for one in facts.feelings for t in (one.start, one.end)}
    if words and style != "tags":
        edges |= {t for one in facts.words for t in (one.start, one.end)}
    times = sorted(round(t, 2) for t in edges if 0.0 <= t <= facts.seconds)
    out: list[tuple[float, float, str]] = []
    for start, end in zip(times, times[1:], strict=False):
        if end - start < 0.05:
            continue
        text = _beat(facts, style, words, start, end)
        if not text:
            continue
        if out and out[-1][2] == text and abs(out[-1][1] - start) < 0.06:
            out[-1] = (out[-1][0], end, text)
        else:
            out.append((start, end, text))
    return tuple(out)


def _beat(facts: Facts, style: str, words: int, start: float, end: float) -> str:
    at = (start + end) / 2
    felt: Feeling | None = next((f for f in facts.feelings if f.start <= at < f.end), None)
    said = next((one for one in facts.words if one.start <= at < one.end), None)
    parts = [feeling(felt)] if felt else []
    words_said = quoted(said_within(said, start, end), words) if said else ""
    if style != "tags" and words_said:
        parts.append(f'saying "{words_said}"')
    elif parts and facts.value("voice") == "speaking" and (style == "tags" or not facts.words):
        parts.insert(0, "talking" if style == "tags" else "speaking")
    return ", ".join(parts)


def said_within(sentence: Spoken, start: float, end: float) -> str:
    """Those of its words whose middle lies between two moments, each as long as its letters."""
    words = sentence.text.split()
    ends = list(accumulate(len(word) + 1 for word in words))
    rate = (sentence.end - sentence.start) / max(1, ends[-1] if ends else 1)
    middles = [
        sentence.start + (stop - (len(word) + 1) / 2) * rate
        for word, stop in zip(words, ends, strict=True)
    ]
    return " ".join(word for word, at in zip(words, middles, strict=True) if start <= at < end)
