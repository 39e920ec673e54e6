"""When each sentence of a transcript is said.

Shapes: L frames of 10 ms.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import torch
from torch import Tensor

from .prosody import QUIET, loudness, runs
from .speech import log_mel, to_mono

PAUSE = 20  # frames without speech at which a sentence may end
NEAR = 1.2  # s from where it should end by its letters
MOST_WORDS = 40  # of a sentence; longer ones are cut, as transcripts may lack full stops

_CLOCK = r"(?:\d+:)?\d{1,3}:\d{1,2}(?:[.,]\d{1,3})?"
_DASH = r"\s*(?:-->|->|→|-|–|—|−|‒)\s*"
_TIMED = re.compile(rf"^\s*[\[(]?\s*({_CLOCK}){_DASH}({_CLOCK})\s*[\])]?(.*)$")
_STARTS_WITH_TIME = re.compile(rf"^\s*[\[(]?\s*{_CLOCK}(?:\s|\]|\)|$|[-–—>])")
_BROKEN_TIME = re.compile(r"^\s*[\[(]?\s*\d{1,3}:\S*[-→–—−‒]\S*")  # "0:7x-0:08"
_END = re.compile(r"([.!?…][\"'”’)\]]*)\s+|([。！？])\s*")
_MARKUP = re.compile(r"<[^>]*>|\{\\[^}]*\}")
_ABBREVIATION = re.compile(r"\b(?:mr|mrs|ms|dr|prof|st|vs|e\.g|i\.e|[a-z])\.$", re.I)


@dataclass(frozen=True)
class TimedSentence:
    """A sentence and when it is said."""

    start: float  # s
    end: float  # s
    text: str


def timed_sentences(
    transcript: str, waveform: Tensor, sample_rate: int
) -> tuple[list[TimedSentence], list[str]]:
    """Sentences in the order of time, and notes on what was changed.

    Plain text is spread over the speech: each sentence lasts for its share of the letters, counted
    over the time in which somebody speaks, up to a pause where one is near. Timed lines are taken
    at their word.

    Args:
        transcript: Plain text, lines "0:00–0:02 text", SRT or WebVTT.
        waveform: [C, S] the speech.
        sample_rate: In Hz.

    Raises:
        ValueError: A time cannot be read, runs backwards, overlaps another or lies beyond the
            audio; the message names the line.
    """
    seconds = waveform.shape[-1] / sample_rate
    transcript = transcript.lstrip("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    lines = transcript.split("\n")
    if _is_timed(lines):
        return _check(_cues(lines), seconds)
    sentences = split_sentences(transcript)
    if not sentences:
        return [], []
    return _share(sentences, speaking(waveform, sample_rate), seconds), []


def _is_timed(lines: list[str]) -> bool:
    """Whether some line has start and end, or each of several starts with a time."""
    if lines[0].startswith("WEBVTT") or any(_TIMED.match(one) or "-->" in one for one in lines):
        return True
    filled = [line for line in lines if line.strip()]
    return len(filled) > 1 and all(_STARTS_WITH_TIME.match(line) for line in filled)


def split_sentences(text: str) -> list[str]:
    """Sentences of plain text, none longer than MOST_WORDS; line breaks end none by themselves."""
    out: list[str] = []
    for block in re.split(r"\n\s*\n", text):
        pending = ""
        for piece in _END.sub(r"\1\2\n", " ".join(block.split())).split("\n"):
            pending = f"{pending} {piece}".strip()
            if pending and not _ABBREVIATION.search(pending):
                out += _shorten(pending)
                pending = ""
        if pending:
            out += _shorten(pending)
    return out


def _shorten(sentence: str) -> list[str]:
    """The sentence in pieces of at most MOST_WORDS words, cut after commas where there are any."""
    words = sentence.split()
    out = []
    while len(words) > MOST_WORDS:
        stops = [i for i in range(10, MOST_WORDS) if words[i][-1] in ",;:"]
        cut = stops[-1] + 1 if stops else MOST_WORDS
        out.append(" ".join(words[:cut]))
        words = words[cut:]
    return [*out, " ".join(words)] if words else out


def speaking(waveform: Tensor, sample_rate: int) -> Tensor:
    """Where somebody speaks, or makes another sound, [L] bool, 100 frames a second."""
    return loudness(log_mel(to_mono(waveform, sample_rate))) > QUIET


def _share(sentences: list[str], active: Tensor, seconds: float) -> list[TimedSentence]:
    """Each sentence lasts for its share of letters, in frames where somebody speaks.

    Where a pause is near its end, it ends there.
    """
    if not bool(active.any()):
        active = torch.ones_like(active)
    letters = torch.tensor([max(1, len(text)) for text in sentences], dtype=torch.float64)
    ends = letters.cumsum(0) / letters.sum() * float(active.sum())
    spoken = active.cumsum(0).double()  # [L] frames of speech up to and with this one
    places = torch.searchsorted(spoken, ends - 1e-6).clamp(max=len(active) - 1)
    stops = ((places + 1) / 100.0).clamp(max=seconds).tolist()
    starts = [float(active.int().argmax()) / 100.0, *stops[:-1]]
    quiet = [one for one in runs(~active) if one[1] - one[0] >= PAUSE]
    pauses = [(start / 100.0, stop / 100.0) for start, stop in quiet]
    for i, stop in enumerate(stops[:-1]):
        low, high = (starts[i] + stop) / 2, (stop + stops[i + 1]) / 2
        near = [one for one in pauses if low < one[0] and one[1] < high]
        near = [one for one in near if min(abs(one[0] - stop), abs(one[1] - stop)) < NEAR]
        if near:
            stops[i], starts[i + 1] = max(near, key=lambda one: one[1] - one[0])
    return [
        TimedSentence(start, stop, text)
        for start, stop, text in zip(starts, stops, sentences, strict=True)
    ]


def _cues(lines: list[str]) -> list[tuple[int, float, float, str]]:
    """Line number, start, end and text of timed lines, SRT or WebVTT."""
    subtitles = any("-->" in line for line in lines)
    cues: list[tuple[int, float, float, str]] = []
    skipping = False  # inside WebVTT's header or a comment
    after_blank = True
    for number, line in enumerate(lines, 1):
        text = _MARKUP.sub("", line).strip()
        timed = _TIMED.match(line)
        opens = after_blank and re.match(r"(WEBVTT|NOTE|STYLE|REGION)\b", line)
        following = lines[number] if number < len(lines) else ""
        if timed:
            skipping = False
            said = "" if subtitles else _MARKUP.sub("", timed[3]).strip(" \t:|")
            cues.append((number, _seconds(timed[1], number), _seconds(timed[2], number), said))
        elif not text:
            skipping = False
        elif opens or skipping:
            skipping = True
        elif _STARTS_WITH_TIME.match(line) or _BROKEN_TIME.match(line) or "-->" in line:
            raise ValueError(
                f"Line {number} of 'text' has a time that cannot be read: '{line.strip()[:60]}'. "
                "Write start and end, like '0:00–0:02 text'."
            )
        elif subtitles and after_blank and _TIMED.match(following):
            pass  # the number or name of a subtitle
        elif cues:
            cues[-1] = (*cues[-1][:3], f"{cues[-1][3]} {text}".strip())
        else:
            raise ValueError(
                f"Line {number} of 'text' comes before the first time: '{text[:60]}'. Give every "
                "line a time, like '0:00–0:02 text', or none."
            )
        after_blank = not line.strip()
    return cues


def _seconds(clock: str, line: int) -> float:
    parts = [float(part) for part in clock.replace(",", ".").split(":")]
    if parts[-1] >= 60.0 or (len(parts) == 3 and parts[1] >= 60.0):
        raise ValueError(
            f"Line {line} of 'text' has the time '{clock}', with 60 or more seconds or minutes. "
            "Write minutes:seconds or hours:minutes:seconds."
        )
    return sum(part * 60.0**i for i, part in enumerate(reversed(parts)))


def _check(
    cues: list[tuple[int, float, float, str]], seconds: float
) -> tuple[list[TimedSentence], list[str]]:
    """Cues whose times can be used, each cut into its sentences."""
    out: list[TimedSentence] = []
    notes: list[str] = []
    before, before_line = 0.0, 0
    for line, start, end, text in cues:
        if end <= start:
            raise ValueError(
                f"Line {line} of 'text' ends at {end:g} s, not after its start at {start:g} s. "
                "Correct its times."
            )
        if start < before - 1e-6:
            raise ValueError(
                f"Line {line} of 'text' starts at {start:g} s, before line {before_line} ends at "
                f"{before:g} s. Put the lines in order, without overlap."
            )
        if start >= seconds:
            raise ValueError(
                f"Line {line} of 'text' starts at {start:g} s, but 'audio' is {seconds:.2f} s "
                "long. Correct the time, or connect the audio that the text belongs to."
            )
        before, before_line = end, line
        if end > seconds:
            notes.append(f"Line {line} was cut at the end of the audio, {seconds:.2f} s.")
            end = seconds
        parts = split_sentences(text)
        length = sum(map(len, parts))
        at = start
        for part in parts:
            stop = at + (end - start) * len(part) / length
            out.append(TimedSentence(at, stop, part))
            at = stop
    return out, notes
