"""Do the lips in the finished video follow the sounds? Read back from the mp4 by the landmarker.

    python -m synchrorama.benchmarks.video_lips --portrait IMG [IMG ...] [--emodb DIR] [--clips N]
        [--aligned WAV ...] [--conditions clean noise telephone slow fast] [--draws 10]
        [--list FILE.tsv] [--fps 25] [--diffusion] [--processes 2] --out FILE.json

Each clip goes through `talk` as a user's would, into a real mp4, which is decoded and tracked. The
opening of the mouth is the distance between the inner lips (landmarks 13 and 14, across the line
of the inner corners) as a share of the mouth's width (78 to 308), rounding the landmarker's scores
of mouthPucker and mouthFunnel together. They are set against phone times as in lips_from_audio.py,
whose figures mean the same here, rounding also within each portrait, as photos differ in what they
score with the lips at rest (0.33 to 0.94 of mouthPucker on three neutral ones); lips count as
closed up to a gap of 8 % of the mouth's width, or up to the portrait's own.

Clips are emodb's speakers 13 and 14, never trained on, evenly spread when --clips asks for fewer;
recordings with a pocketsphinx alignment NAME.phone.json beside NAME.wav, as recorded and under the
other conditions of lips_from_audio.py; and lines "audio <tab>
labels <tab> portrait" of a list, labels being .lablaut or .phone.json. Portraits take turns.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import av
import numpy as np
import torch
from torch import Tensor

from ..models.media import read_audio, read_image
from ..models.portrait.landmarker import FaceLandmarker
from ..models.render.sample import Sampling
from ..models.speech import frame_times
from ..models.talk import talk
from ..models.types import ARKIT_INDEX
from ..training.phones import Phone, read_emodb
from ..training.speech_data import TEST_SENTENCES, TEST_SPEAKERS
from .lips_from_audio import (
    CONDITIONS,
    Clip,
    Spoken,
    best_offset,
    heard_under,
    measure,
    read_alignment,
    reference_openness,
    under,
)

CHUNK = 64  # decoded frames in memory
UPPER, LOWER, RIGHT, LEFT = 13, 14, 78, 308  # inner lips
CLOSED = 0.08  # of the mouth's width


@dataclass(frozen=True, kw_only=True)
class Job:
    """One video to make and to measure."""

    audio: Path
    labels: Path
    portrait: Path
    condition: str = "clean"  # one of CONDITIONS
    draw: int = 0  # seed of noise


@dataclass(frozen=True, eq=False, kw_only=True)
class Result:
    """What came of a job."""

    job: Job
    clip: Clip
    frames: int
    lost: int  # frames in which no face was seen
    seconds: float  # to make the video


def read_phones(path: Path, waveform: Tensor, sample_rate: int) -> tuple[Tensor, list[Phone]]:
    """The sound without zero padding at its end, and the phones in it."""
    if path.suffix == ".json":
        return waveform, read_alignment(path)
    last = int(waveform.abs().amax(0).nonzero()[-1]) + 1
    text = path.read_text(encoding="latin-1")
    return waveform[:, :last], read_emodb(text, last / sample_rate)[0]


def read_lips(path: Path, landmarker: FaceLandmarker) -> tuple[Tensor, Tensor, int]:
    """Of each frame of a video: gap ÷ width [T], pucker + funnel [T]; and frames lost."""
    gaps: list[float] = []
    rounding: list[float] = []
    box: Tensor | None = None
    pending: list[Tensor] = []

    def track() -> None:
        nonlocal box
        if not pending:
            return
        for face in landmarker.track(torch.stack(pending).float() / 255, box):
            gaps.append(math.nan if face is None else lip_gap(face.landmarks))
            rounding.append(math.nan if face is None else rounded(face.coefficients))
            box = box if face is None else face.box
        pending.clear()

    with av.open(str(path)) as file:
        for frame in file.decode(video=0):
            pending.append(torch.from_numpy(frame.to_ndarray(format="rgb24")))
            if len(pending) == CHUNK:
                track()
    track()
    return _filled(gaps), _filled(rounding), sum(map(math.isnan, gaps))


def lip_gap(landmarks: Tensor) -> float:
    """Distance between the inner lips over the mouth's width, from landmarks [478, ≥2]."""
    points = landmarks[:, :2].double()
    across = points[LEFT] - points[RIGHT]
    down = torch.stack([-across[1], across[0]])
    return float(((points[LOWER] - points[UPPER]) * down).sum() / across.square().sum())


def rounded(scores: Tensor) -> float:
    """MouthPucker + mouthFunnel of scores [52]."""
    return float(scores[ARKIT_INDEX["mouthPucker"]] + scores[ARKIT_INDEX["mouthFunnel"]])


def _filled(track: list[float]) -> Tensor:
    """The track with frames lost taken from their neighbours."""
    values = np.array(track)
    known = np.flatnonzero(np.isfinite(values))
    if not known.size:
        raise ValueError("No face is seen in any frame of the video.")
    return torch.from_numpy(np.interp(np.arange(len(values)), known, values[known]))


def run(job: Job, fps: float, size: int, diffusion: bool) -> Result:
    """Make one video and read its lips."""
    torch.set_num_threads(1)
    waveform, sample_rate = read_audio(job.audio)
    waveform, phones = read_phones(job.labels, waveform, sample_rate)
    if job.condition != "clean":
        mono = waveform.double().mean(0).numpy()
        recorded = Spoken(job.audio.stem, mono, sample_rate, phones)
        heard = under(recorded, job.condition, job.draw)
        waveform, sample_rate = torch.from_numpy(heard.samples).float()[None], heard.sample_rate
        phones = heard.phones
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "talk.mp4"
        start = time.perf_counter()
        picture = read_image(job.portrait)
        sampling = Sampling() if diffusion else None
        talk(picture, waveform, sample_rate, out, fps=fps, size=size, sampling=sampling)
        seconds = time.perf_counter() - start
        landmarker = FaceLandmarker.from_checkpoint()
        gap, rounding, lost = read_lips(out, landmarker)
    face = landmarker.track(picture[None])[0]
    own = 0.0 if face is None else lip_gap(face.landmarks)
    clip = Clip(
        job.audio.stem,
        phones,
        waveform.shape[1] / sample_rate,
        gap.numpy(),
        rounding.numpy(),
        frame_times(len(gap), fps).numpy(),
        max(CLOSED, own),
    )
    return Result(job=job, clip=clip, frames=len(gap), lost=lost, seconds=seconds)


def emodb_jobs(folder: Path, portraits: list[Path], count: int | None) -> list[Job]:
    """Clips of the speakers never trained on whose label files are not empty."""
    found = []
    for audio in sorted((folder / "wav").glob("*.flac")):
        labels = folder / "phones" / f"{audio.stem}.lablaut"
        if audio.stem[:2] in TEST_SPEAKERS and labels.is_file():
            waveform, sample_rate = read_audio(audio)
            if read_phones(labels, waveform, sample_rate)[1]:
                found.append((audio, labels))
    if count is not None and count < len(found):
        found = [found[i * len(found) // count] for i in range(count)]
    return [
        Job(audio=audio, labels=labels, portrait=portraits[i % len(portraits)])
        for i, (audio, labels) in enumerate(found)
    ]


def summary(results: list[Result], fps: float) -> dict[str, object]:
    """Figures over all clips, and a line for each."""
    measured = measure([r.clip for r in results], fps)
    figures: dict[str, object] = {k: None if math.isnan(v) else v for k, v in measured.items()}
    names = sorted({r.job.portrait.name for r in results})
    faces = {n: measure([r.clip for r in results if r.job.portrait.name == n], fps) for n in names}
    figures["auc_rounded_each"] = {
        n: None if math.isnan(face["auc_rounded"]) else face["auc_rounded"]
        for n, face in faces.items()
    }
    figures["frames"] = sum(r.frames for r in results)
    figures["frames_lost"] = sum(r.lost for r in results)
    figures["video_frames_a_second"] = round(
        sum(r.frames for r in results) / sum(r.seconds for r in results), 2
    )
    figures["each"] = [
        {
            "clip": r.clip.name,
            "portrait": r.job.portrait.name,
            "offset_ms": round(best_offset(r.clip) * 1000),
            "correlation": round(
                float(np.corrcoef(r.clip.gap, reference_openness(r.clip))[0, 1]), 3
            ),
            "gap_95": round(float(np.quantile(r.clip.gap, 0.95)), 4),
            "gap_05": round(float(np.quantile(r.clip.gap, 0.05)), 4),
        }
        for r in results
    ]
    return figures


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--portrait", type=Path, nargs="+", default=[])
    add("--emodb", type=Path)
    add("--clips", type=int, help="of emodb; all unless given")
    add("--aligned", type=Path, nargs="*", default=[])
    add("--conditions", nargs="*", choices=CONDITIONS, default=["clean"], help="of --aligned")
    add("--draws", type=int, default=1, help="of noise")
    add("--list", type=Path)
    add("--fps", type=float, default=25.0)
    add("--size", type=int, default=512)
    add("--diffusion", action="store_true", help="refine the frames")
    add("--processes", type=int, default=2)
    add("--out", type=Path, required=True)
    args = parser.parse_args()
    if not args.portrait and not args.list:
        parser.error("give --portrait or --list")
    sets: dict[str, list[Job]] = {}
    if args.emodb:
        sets["emodb 13, 14"] = emodb_jobs(args.emodb, args.portrait, args.clips)
    for audio in args.aligned:
        labels = audio.with_suffix(".phone.json")
        for title, condition, draw in heard_under(args.conditions, args.draws):
            name = audio.stem if condition == "clean" else f"{audio.stem}, {title}"
            sets[name] = [
                Job(audio=audio, labels=labels, portrait=portrait, condition=condition, draw=draw)
                for portrait in args.portrait
            ]
    if args.list:
        lines = [line.split("\t") for line in args.list.read_text().splitlines() if line.strip()]
        sets[args.list.stem] = [
            Job(audio=Path(a), labels=Path(b), portrait=Path(c)) for a, b, c in lines
        ]
    args.out.parent.mkdir(parents=True, exist_ok=True)
    document: dict[str, object] = {"fps": args.fps, "size": args.size}
    document["diffusion"] = args.diffusion
    context = multiprocessing.get_context("spawn")
    make = partial(run, fps=args.fps, size=args.size, diffusion=args.diffusion)
    with ProcessPoolExecutor(args.processes, mp_context=context) as pool:
        for name, jobs in sets.items():
            results = list(pool.map(make, jobs))
            document[name] = figures = summary(results, args.fps)
            unheard = [r for r in results if r.job.audio.stem[2:5] in TEST_SENTENCES]
            if unheard and len(unheard) < len(results):
                document[f"of them {', '.join(TEST_SENTENCES)}"] = summary(unheard, args.fps)
            text = json.dumps(document, indent=1, allow_nan=False)
            args.out.write_text(text + "\n", encoding="utf-8")
            shown = {k: v for k, v in figures.items() if k != "each"}
            print(name, json.dumps(shown, indent=1))


if __name__ == "__main__":
    main()
