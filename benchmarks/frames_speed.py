"""How fast motion frames are drawn, and how much memory a talking portrait takes.

    python benchmarks/frames_speed.py [PICTURE ...] [--audio WAV] [--threads 2] [--no-memory]
        [--diffusion] [--out FILE.json]

Speed: MotionFrames.render at 512² with the motion that the audio gives, chunk by chunk after a
warm-up. "frames_a_second" is from the median of the chunks' times, "best" from the fastest, which
other programs delay least; CPU seconds a frame are measured with one thread. Needed: 15; with
--diffusion, drawn and refined in four steps by the built-in renderer, 1 in 0.45 s.

Memory: `talk` from picture to video file, the audio repeated to 10 s and to 60 s, each in a process
of its own with one thread; its peak resident set. Needed: at most 10 % apart.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from common import (
    RESULTS,
    SAMPLE_PORTRAIT,
    SAMPLE_SPEECH,
    Studio,
    machine,
    read_image,
    write_result,
)
from synchrorama.models.media import read_audio
from synchrorama.models.motion.audio_to_motion import AudioToMotion, motion_from_audio
from synchrorama.models.motion.frames import CHUNK, MotionFrames
from synchrorama.models.render.sample import Sampling
from synchrorama.models.render.weights import BUILTIN_FILE, load_renderer
from synchrorama.models.talk import diffused, talk
from synchrorama.models.types import Motion, Portrait
from torch import Tensor

CHUNKS = 15  # timed, of CHUNK frames each
LENGTHS = (10, 60)  # seconds of audio
FRAMES_A_SECOND, DIFFUSED_A_SECOND, APART = 15.0, 1 / 0.45, 0.10


def repeated(path: Path, seconds: float) -> tuple[Tensor, int]:
    """The sound over and over, cut to a length."""
    waveform, sample_rate = read_audio(path)
    wanted = round(seconds * sample_rate)
    return waveform.repeat(1, -(-wanted // waveform.shape[1]))[:, :wanted], sample_rate


def chunk_times(
    studio: Studio,
    portrait: Portrait,
    motion: Motion,
    speech: tuple[Tensor, int],
    sampling: Sampling | None,
) -> list[tuple[float, float]]:
    """Wall and CPU seconds a frame of each chunk after the first; of all at once when refined.

    Refining hands on frames in bursts.
    """
    drawn = MotionFrames(studio.head, portrait).render(motion)
    if sampling is not None:
        cpu = torch.device("cpu")
        weights = load_renderer(BUILTIN_FILE)
        drawn = diffused(drawn, weights, sampling, studio.head, portrait, motion, None, speech, cpu)
    taken, counts = [], []
    wall, busy = time.perf_counter(), time.process_time()
    for chunk in drawn:
        now, spent = time.perf_counter(), time.process_time()
        taken.append((now - wall, spent - busy))
        counts.append(len(chunk))
        wall, busy = time.perf_counter(), time.process_time()
    if sampling is not None:
        frames = sum(counts)
        return [(sum(w for w, _ in taken) / frames, sum(c for _, c in taken) / frames)]
    return [(w / n, c / n) for (w, c), n in zip(taken[1:], counts[1:], strict=True)]


def speed(
    studio: Studio, path: Path, audio: Path, threads: int, sampling: Sampling | None
) -> dict[str, Any]:
    """Frames a second of one portrait."""
    portrait = studio.portrait(path)
    waveform, sample_rate = repeated(audio, (CHUNKS + 1) * CHUNK / 25)
    motion = motion_from_audio(
        AudioToMotion.from_checkpoint(), waveform, sample_rate, rest=portrait.head.expression
    )
    speech = (waveform, sample_rate)
    torch.set_num_threads(threads)
    wall = [seconds for seconds, _ in chunk_times(studio, portrait, motion, speech, sampling)]
    torch.set_num_threads(1)
    single = chunk_times(studio, portrait, motion, speech, sampling)
    return {
        "picture": path.name,
        "frames_a_second": round(1 / statistics.median(wall), 2),
        "best": round(1 / min(wall), 2),
        "one_thread_frames_a_second": round(1 / statistics.median(w for w, _ in single), 2),
        "one_thread_cpu_seconds_a_frame": round(statistics.median(cpu for _, cpu in single), 4),
    }


def talk_and_tell(picture: Path, audio: Path, seconds: float, sampling: Sampling | None) -> None:
    """Make a video, and print the peak memory of this process in MB as JSON."""
    import resource

    torch.set_num_threads(1)
    waveform, sample_rate = repeated(audio, seconds)
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "talk.mp4"
        motion = talk(read_image(picture), waveform, sample_rate, out, sampling=sampling)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    peak_mb = peak / (1e6 if sys.platform == "darwin" else 1e3 / 1.024)
    taken = time.perf_counter() - start
    row = {"audio_seconds": seconds, "frames": motion.frames, "peak_mb": round(peak_mb)}
    print(json.dumps({**row, "seconds": round(taken, 1)}))


def memory(picture: Path, audio: Path, sampling: Sampling | None) -> list[dict[str, Any]]:
    """Peak memory of the whole pipeline for each length of audio."""
    rows = []
    for seconds in LENGTHS:
        command = [sys.executable, str(Path(__file__).resolve()), str(picture)]
        command += ["--audio", str(audio), "--talk", str(seconds)]
        command += [] if sampling is None else ["--diffusion"]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        rows.append(json.loads(done.stdout.splitlines()[-1]))
        print(rows[-1], flush=True)
    return rows


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pictures", nargs="*", type=Path, default=[SAMPLE_PORTRAIT])
    parser.add_argument("--audio", type=Path, default=SAMPLE_SPEECH)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--no-memory", action="store_true", help="measure speed only")
    parser.add_argument("--diffusion", action="store_true", help="refine the frames")
    parser.add_argument("--talk", type=float, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, default=RESULTS / "frames_speed.json")
    arguments = parser.parse_args()
    picture, audio, threads = arguments.pictures[0], arguments.audio, arguments.threads
    sampling = Sampling() if arguments.diffusion else None
    if arguments.talk:
        talk_and_tell(picture, audio, arguments.talk, sampling)
        return
    studio = Studio()
    summary: dict[str, Any] = {**machine(), "threads": threads}
    rows = []
    with torch.inference_mode():
        for path in arguments.pictures:
            rows.append(speed(studio, path, audio, threads, sampling))
            print(rows[-1], flush=True)
    summary["slowest_frames_a_second"] = min(row["frames_a_second"] for row in rows)
    needed = FRAMES_A_SECOND if sampling is None else DIFFUSED_A_SECOND
    summary["fast_enough"] = summary["slowest_frames_a_second"] >= needed
    result: dict[str, Any] = {"summary": summary, "speed": rows}
    if not arguments.no_memory:
        result["memory"] = memory(picture, audio, sampling)
        peaks = [row["peak_mb"] for row in result["memory"]]
        summary["peaks_apart_percent"] = round(100 * (max(peaks) / min(peaks) - 1), 1)
        summary["memory_flat"] = max(peaks) <= (1 + APART) * min(peaks)
    print(summary)
    write_result(arguments.out, result)


if __name__ == "__main__":
    main()
