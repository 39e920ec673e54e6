"""The answer of a language model: parsed strictly, checked against the facts.

What cannot be parsed, or states too little after the check, is refused with a sentence that says
why; the caller asks again or tells the scene by rules.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from ..types import Scene
from .claims import contradiction, known_claims, words_of
from .clean import quoted
from .describe import Count, shorten
from .request import Request
from .wording import contrary, objection_to, phrasings, told

LONGEST = 6000  # letters of an answer
LEAST = 0.4  # of an answer's clauses, that have to be true
LEAST_FACTS = 2  # facts that a prompt has to tell, where so many are known
_TIMED = re.compile(r"^(\d+(?:\.\d+)?)\s*(?:s\s*)?[-–]\s*(\d+(?:\.\d+)?)\s*s?\s*:\s*(.+)$")
_SPLIT = re.compile(r"([,.;!?]+(?=\s|$)|\s[–—-]\s)")
_QUOTE = re.compile(r"[\"“„]([^\"“”„]*)[\"”“]")
_MARK = "quotedwords"


class AnswerError(ValueError):
    """An answer that cannot be used; the message says why."""


@dataclass(frozen=True, kw_only=True)
class Parsed:
    """An answer in the form that was asked for."""

    prompt: str
    negative: str
    beats: tuple[tuple[float, float, str], ...]


def parse(answer: str) -> Parsed:
    """The parts of an answer.

    Args:
        answer: PROMPT:, and perhaps NEGATIVE: and BEATS:, each at the beginning of a line.

    Raises:
        AnswerError: It is empty, too long, or not in this form.
    """
    text = re.sub(r"<think>.*?</think>", "", answer, flags=re.DOTALL).strip()
    if not text:
        raise AnswerError("The answer is empty.")
    if len(text) > LONGEST:
        raise AnswerError(f"The answer has {len(text)} letters, more than {LONGEST}.")
    prompts: list[str] = []
    negatives: list[str] = []
    beats: list[tuple[float, float, str]] = []
    in_beats = False
    for line in text.splitlines():
        line = line.strip().strip("*").strip()
        if not line or line.startswith("```"):
            continue
        head, colon, rest = line.partition(":")
        if colon and head == "PROMPT":
            prompts.append(rest.strip(" *"))
            in_beats = False
        elif colon and head == "NEGATIVE":
            negatives.append(rest.strip(" *"))
            in_beats = False
        elif colon and head == "BEATS" and not rest.strip(" *"):
            in_beats = True
        elif in_beats and (timed := _TIMED.match(line.lstrip("- "))):
            beats.append((float(timed[1]), float(timed[2]), timed[3]))
        else:
            raise AnswerError(f"The answer is not in the form that was asked for: '{line[:60]}'.")
    if len(prompts) != 1 or not prompts[0]:
        raise AnswerError(f"The answer has {len(prompts)} lines that begin with PROMPT:, not one.")
    if len(negatives) > 1:
        raise AnswerError("The answer has several lines that begin with NEGATIVE:.")
    before = 0.0
    for start, end, _ in beats:
        if end <= start or start < before - 1e-6:
            raise AnswerError(f"The beat {start:g}-{end:g} runs backwards or over another.")
        before = end
    return Parsed(prompt=prompts[0], negative=(negatives or [""])[0], beats=tuple(beats))


def check(
    answer: str, request: Request, *, author: str, seen: bool, count: Count
) -> tuple[Scene, list[str]]:
    """A scene in the model's words, and what was removed from them and why.

    Args:
        answer: Of the model.
        request: What it was asked.
        author: Told as the scene's author.
        seen: Whether the model saw the picture: it may then name what was not measured.
        count: Tells the tokens of a text.

    Raises:
        AnswerError: Too little of it is true, or it is not in the form that was asked for.
    """
    parsed = parse(answer)
    facts = request.facts
    removed: list[str] = []
    prompt, kept, total = _sift(parsed.prompt, request, None, seen, removed)
    if not prompt or kept < LEAST * total:
        raise AnswerError(
            f"Of {total} clauses {total - kept} are not true: {'; '.join(removed[:3])}."
        )
    tells = len(_subjects(prompt, request))
    known = len({fact.subject for fact in facts.facts}) + bool(facts.feelings)
    if tells < min(LEAST_FACTS, known) and not seen:
        raise AnswerError(f"The answer tells {tells} of {known} facts.")
    if request.limit and count(prompt) > request.limit:
        prompt = shorten(prompt, request.limit, count)
        removed.append(f"the end, to stay within {request.limit} tokens")
    scene = replace(
        request.scene,
        prompt=prompt,
        negative=_negative(parsed.negative, request, count),
        beats=_beats(parsed, request, seen, removed),
        author=author,
    )
    return scene, removed


def clause_parts(text: str) -> list[tuple[str, str]]:
    """Clauses of a text and the sign that follows each; quotations are not cut."""
    quotes: list[str] = []

    def hide(match: re.Match[str]) -> str:
        quotes.append(match[0])
        return f"{_MARK}{len(quotes) - 1}"

    parts = _SPLIT.split(_QUOTE.sub(hide, text))
    out = []
    for i in range(0, len(parts), 2):
        clause = re.sub(rf"{_MARK}(\d+)", lambda match: quotes[int(match[1])], parts[i].strip())
        if clause:
            out.append((clause, parts[i + 1].strip()[:1] if i + 1 < len(parts) else ""))
    return out


def _sift(
    text: str,
    request: Request,
    at: tuple[float, float] | None,
    seen: bool,
    removed: list[str],
) -> tuple[str, int, int]:
    """The clauses that may stand, how many they are, and how many there were."""
    facts = request.facts
    known, claims = phrasings(facts, at), known_claims(facts, at)
    said = " ".join(words_of(" ".join(one.text for one in facts.words)))
    quotes: list[str] = []

    def keep(match: re.Match[str]) -> str:
        words = " ".join(words_of(match[1]))
        true = bool(words) and f" {words} " in f" {said} "
        quotes.append(f'"{quoted(match[1], 60)}"' if true else "")
        return f" {_MARK if true else 'inventedwords'}{len(quotes) - 1} "

    marked = _QUOTE.sub(keep, " ".join(text.split()))
    parts = _SPLIT.split(marked)
    kept: list[str] = []
    before: set[str] = set()
    total = good = 0
    for i in range(0, len(parts), 2):
        clause = parts[i].strip()
        if not clause:
            continue
        total += 1
        bare = re.sub(rf"\b{_MARK}\d+\b", " ", clause)
        if "inventedwords" in clause:
            why = "it quotes what is not said"
        elif any(sign in clause for sign in "()[]{}<>|`\\"):
            why = "it holds signs that prompt nodes obey"
        elif clause.lower() in before:
            why = "it was told before"
        elif bare.strip() and not seen:
            why = objection_to(bare, known)
        else:
            why = contradiction(bare, facts, claims)
        before.add(clause.lower())
        if why:
            shown = re.sub(r"(inventedwords|quotedwords)\d+", "…", clause)[:50]
            removed.append(f"'{shown}' ({why})")
            continue
        good += 1
        stop = parts[i + 1].strip() if i + 1 < len(parts) else ""
        kept.append(clause + (stop[0] if stop and stop[0] in ",.;:!?" else ","))
    out = " ".join(" ".join(kept).split()).strip(" ,;:")
    out = re.sub(rf"\b{_MARK}(\d+)\b", lambda match: quotes[int(match[1])], out)
    if out and request.style != "tags":
        out = out[0].upper() + out[1:] + ("" if out[-1] in ".!?" else ".")
    return out, good, total


def _subjects(prompt: str, request: Request) -> set[str]:
    """The facts that a checked text tells."""
    known = phrasings(request.facts)
    parts = _SPLIT.split(_QUOTE.sub(" ", prompt))[::2]
    tells = {subject for part in parts for subject in told(part, known) or ()}
    return tells - {"words", "notes"}


def _negative(negative: str, request: Request, count: Count) -> str:
    """The model's negatives that deny no fact, after those of the rules."""
    known, against = phrasings(request.facts), contrary(request.facts)
    own = request.scene.negative.split(", ")
    for part in (one.strip(" .") for one in negative.split(",")):
        if told(part, against) is not None and told(part, known) is None and part not in own:
            own.append(part)
    return shorten(", ".join(own), request.limit, count)


def _beats(
    parsed: Parsed, request: Request, seen: bool, removed: list[str]
) -> tuple[tuple[float, float, str], ...]:
    """The beats by rules, each in the model's words where these can stand."""
    out = []
    for start, end, text in request.scene.beats:
        answer = next(
            (words for a, b, words in parsed.beats if abs(a - start) < 0.3 and abs(b - end) < 0.3),
            "",
        )
        if answer:
            sifted, good, total = _sift(answer, request, (start, end), seen, removed)
            if sifted and good == total:
                text = sifted.rstrip(".") if request.style == "tags" else sifted
        out.append((start, end, text))
    return tuple(out)
