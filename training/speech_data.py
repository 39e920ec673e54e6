"""Speech with exact phone times, from emodb and synthetic voices, into one folder.

    python -m synchrorama.training.speech_data --out DIR --emodb DIR [--texts TSV]
        [--german TSV] [--german-share 0.25] [--kokoro DIR] [--espeak-hours 1] [--flite-hours 1.5]
        [--kokoro-hours 1] [--games queen.1c sky.dnr --whisper DIR] [--seed 0]

TSV gives sentences to say (GoEmotions' train part; for German, quotations of Debian's package
fortunes-de), --kokoro natural voices (see kokoro.py), --games and --whisper actors (games.py
and transcribe.py). Without --emodb it is left out. It
writes DIR/speech.npz (all sound, int16 at 16 kHz, one after another) and DIR/speech.json (for each
utterance its source, speaker, sentence, first and last sample, and phones). emodb's speakers 13 and
14 and its sentences b09 and b10 are the test and are left out here, so no training can see them.

Source: emodb, Burkhardt et al., "A Database of German Emotional Speech", Interspeech 2005;
espeak-ng (GPLv3 tool), flite (BSD-style) and Kokoro-82M (Apache-2.0) for the synthetic voices;
sentences of GoEmotions, Demszky et al. 2020 (CC BY 4.0).
"""

from __future__ import annotations

import argparse
import json
import logging
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import torch

from ..models import speech
from . import games, kokoro, recordings
from .align import Aligner
from .phones import Phone, read_emodb
from .sentences import LANGUAGES, german_text, natural_text, read_texts, text_for
from .transcribe import Transcriber
from .voices import FLITE_VOICES, Espeak, Utterance, flite

TEST_SPEAKERS = ("13", "14")
TEST_SENTENCES = ("b09", "b10")
ESPEAK_VARIANTS = (
    "f1 f2 f3 f4 f5 m1 m2 m3 m4 m5 m6 m7 m8 klatt klatt2 klatt3 klatt4 adam Alex Alicia Andrea "
    "Andy Annie belinda benjamin boris caleb david ed edward Gene grandma grandpa iven john linda "
    "Marco max Michael miguel Mike norbert pablo paul pedro quincy rob robert sandro shelby steph "
    "steph2 travis victor zac anika"
).split()

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Labelled:
    """An utterance with where it comes from."""

    source: str
    speaker: str
    sentence: str
    utterance: Utterance


def emodb_utterances(folder: Path, *, test: bool = False) -> Iterator[Labelled]:
    """Utterances of the training part of emodb, or of the test part.

    Args:
        folder: Holds wav/*.flac and phones/*.lablaut.
        test: Give speakers 13 and 14 (all sentences) and no others.
    """
    skipped: Counter[str] = Counter()
    for path in sorted((folder / "wav").glob("*.flac")):
        speaker, sentence = path.stem[:2], path.stem[2:5]
        if (speaker in TEST_SPEAKERS) != test or (sentence in TEST_SENTENCES and not test):
            continue
        samples, sample_rate = soundfile.read(path, dtype="float32")
        sounding = np.flatnonzero(samples)
        duration = (int(sounding[-1]) + 1 if len(sounding) else 0) / sample_rate
        text = (folder / "phones" / f"{path.stem}.lablaut").read_text(encoding="latin-1")
        phones, unknown = read_emodb(text, duration)
        skipped += unknown
        if not phones:
            skipped["(empty file)"] += 1
            continue
        yield Labelled("emodb", speaker, sentence, Utterance(samples, int(sample_rate), phones))
    log.info("emodb labels skipped: %s", dict(skipped))


def espeak_utterances(hours: float, seed: int) -> Iterator[Labelled]:
    """espeak-ng in many voices and languages: every sound in every company, in no real timbre."""
    chance = random.Random(seed)
    espeak = Espeak()
    languages = list(LANGUAGES)
    left = hours * 3600.0
    while left > 0.0:
        language = chance.choices(languages, [LANGUAGES[k] for k in languages])[0]
        speaker = f"{language}+{chance.choice(ESPEAK_VARIANTS)}"
        utterance = espeak.say(
            text_for(language, chance),
            speaker,
            rate=chance.randint(120, 230),
            pitch=chance.randint(20, 80),
            span=chance.randint(20, 80),
        )
        if utterance is not None and utterance.phones:
            left -= len(utterance.samples) / utterance.sample_rate
            yield Labelled("espeak-ng", speaker, "", utterance)


def flite_utterances(hours: float, seed: int, texts: list[str]) -> Iterator[Labelled]:
    """Flite's voices, statistical ones of real speakers three times in four."""
    chance = random.Random(seed)
    left = hours * 3600.0
    while left > 0.0:
        speaker = chance.choice(FLITE_VOICES)
        utterance = flite(natural_text(texts, chance), speaker, rate=chance.uniform(0.8, 1.2))
        if utterance is not None and utterance.phones:
            left -= len(utterance.samples) / utterance.sample_rate
            yield Labelled("flite", speaker, "", utterance)


def kokoro_utterances(
    folder: Path,
    hours: float,
    seed: int,
    texts: list[str],
    german_texts: list[str],
    german_share: float,
) -> Iterator[Labelled]:
    """Kokoro's natural voices, another mix of them in each utterance, in English and German."""
    chance = random.Random(seed)
    espeak, voices, aligner = Espeak(), kokoro.Kokoro(folder), Aligner()
    left = hours * 3600.0
    unsure = 0
    while left > 0.0:
        german = chance.random() < german_share
        text = german_text(german_texts, chance) if german else natural_text(texts, chance)
        ipa = espeak.ipa(text, "de" if german else "en-us")
        spoken = voices.say(kokoro.respell(ipa, german=german), chance)
        placed = kokoro.utterance(spoken, aligner) if spoken else None
        if spoken is None or placed is None:
            unsure += 1
            continue
        left -= len(placed.samples) / placed.sample_rate
        yield Labelled("kokoro", spoken.speaker, "", placed)
    log.info("kokoro utterances whose phones could not be placed: %d", unsure)


def recorded_utterances(paths: list[Path], whisper: Path) -> Iterator[Labelled]:
    """Actors who speak in games."""
    transcriber = Transcriber(whisper)
    for path in paths:
        for speaker, utterance in recordings.utterances(games.said_in(path), transcriber):
            yield Labelled("game", speaker, "", utterance)


def write(labelled: Iterator[Labelled], folder: Path) -> dict[str, float]:
    """Write all utterances; returns hours per source."""
    folder.mkdir(parents=True, exist_ok=True)
    sound: list[np.ndarray] = []
    entries: list[dict[str, object]] = []
    hours: Counter[str] = Counter()
    position = 0
    for item in labelled:
        utterance = item.utterance
        mono = speech.to_mono(torch.from_numpy(utterance.samples), utterance.sample_rate).numpy()
        peak = float(np.abs(mono).max()) + 1e-6
        sound.append((mono / max(peak, 1.0) * 32767).astype(np.int16))
        entries.append(
            {
                "source": item.source,
                "speaker": item.speaker,
                "sentence": item.sentence,
                "start": position,
                "stop": position + len(mono),
                "phones": [[p.name, round(p.start, 4), round(p.end, 4)] for p in utterance.phones],
            }
        )
        position += len(mono)
        hours[item.source] += len(mono) / speech.SAMPLE_RATE / 3600.0
    np.savez(folder / "speech.npz", samples=np.concatenate(sound))
    (folder / "speech.json").write_text(json.dumps(entries))
    return {source: round(value, 3) for source, value in hours.items()}


def read(folder: Path) -> list[Labelled]:
    """What `write` wrote; samples are float32 at 16 kHz."""
    samples = np.load(folder / "speech.npz")["samples"]
    out = []
    for entry in json.loads((folder / "speech.json").read_text()):
        cut = samples[entry["start"] : entry["stop"]].astype(np.float32) / 32767.0
        phones = [Phone(name, start, end) for name, start, end in entry["phones"]]
        utterance = Utterance(cut, speech.SAMPLE_RATE, phones)
        out.append(Labelled(entry["source"], entry["speaker"], entry["sentence"], utterance))
    return out


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--emodb", type=Path)
    parser.add_argument("--espeak-hours", type=float, default=1.0)
    parser.add_argument("--flite-hours", type=float, default=1.5)
    parser.add_argument("--kokoro", type=Path, help="folder of kokoro.py's packages")
    parser.add_argument("--kokoro-hours", type=float, default=1.0)
    parser.add_argument("--games", type=Path, nargs="+", help="files of games.py")
    parser.add_argument("--whisper", type=Path, help="folder of transcribe.py's network")
    parser.add_argument("--texts", type=Path, help="what sentences.read_texts reads")
    parser.add_argument("--german", type=Path, help="the same in German")
    parser.add_argument("--german-share", type=float, default=0.25, help="of what Kokoro says")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    if (args.games is None) != (args.whisper is None):
        parser.error("--games and --whisper need each other.")
    logging.basicConfig(level=logging.INFO)
    texts, german = (read_texts(one) if one else [] for one in (args.texts, args.german))

    def everything() -> Iterator[Labelled]:
        if args.emodb:
            yield from emodb_utterances(args.emodb)
        yield from espeak_utterances(args.espeak_hours, args.seed)
        yield from flite_utterances(args.flite_hours, args.seed + 1, texts)
        if args.kokoro:
            yield from kokoro_utterances(
                args.kokoro, args.kokoro_hours, args.seed + 2, texts, german, args.german_share
            )
        if args.games:
            yield from recorded_utterances(args.games, args.whisper)

    print("hours:", write(everything(), args.out))


if __name__ == "__main__":
    main()
