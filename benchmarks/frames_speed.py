"""How fast motion frames are drawn, and how much memory a talking portrait takes.

    python benchmarks/frames_speed.py [PICTURE ...] [--audio WAV] [--threads 2] [--no-memory]
        [--out FILE.json]

Speed: MotionFrames.render at 512² with the motion that the audio gives, chunk by chunk after a
warm-up. "frames_a_second" is from the median of the chunks' times, "best" from the fastest, which
other programs delay least; CPU seconds a frame are measured with one thread. Needed: 15.

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
from synchrorama.models.types import Motion, Portrait
from torch import Tensor

CHUNKS = 15  # timed, of CHUNK frames each
LENGTHS = (10, 60)  # seconds of audio
FRAMES_A_SECOND, APART = 15.0, 0.10


def repeated(path: Path, seconds: float) -> tuple[Tensor, int]:
    """The sound over and over, cut to a length."""
    waveform, sample_rate = read_audio(path)
    wanted = round(seconds * sample_rate)
    return waveform.repeat(1, -(-wanted // waveform.shape[1]))[:, :wanted], sample_rate


def chunk_times(studio: Studio, portrait: Portrait, motion: Motion) -> list[tuple[float, float]]:
    """Wall and CPU seconds of each chunk after the first."""
    taken = []
    wall, busy = time.perf_counter(), time.process_time()
    for _ in MotionFrames(studio.head, portrait).render(motion):
        now, spent = time.perf_counter(), time.process_time()
        taken.append((now - wall, spent - busy))
        wall, busy = time.perf_counter(), time.process_time()
    return taken[1:]


def speed(studio: Studio, path: Path, audio: Path, threads: int) -> dict[str, Any]:
    """Frames a second of one portrait."""
    portrait = studio.portrait(path)
    waveform, sample_rate = repeated(audio, (CHUNKS + 1) * CHUNK / 25)
    motion = motion_from_audio(
        AudioToMotion.from_checkpoint(), waveform, sample_rate, rest=portrait.head.expression
    )
    torch.set_num_threads(threads)
    wall = [seconds for seconds, _ in chunk_times(studio, portrait, motion)]
    torch.set_num_threads(1)
    single = chunk_times(studio, portrait, motion)
    return {
        "picture": path.name,
        "frames_a_second": round(CHUNK / statistics.median(wall), 2),
        "best": round(CHUNK / min(wall), 2),
        "one_thread_frames_a_second": round(CHUNK / statistics.median(w for w, _ in single), 2),
        "one_thread_cpu_seconds_a_frame": round(
            statistics.median(cpu for _, cpu in single) / CHUNK, 4
        ),
    }


def talk_and_tell(picture: Path, audio: Path, seconds: float) -> None:
    """Make a video, and print the peak memory of this process in MB as JSON."""
    import resource

    from synchrorama.models.talk import talk

    torch.set_num_threads(1)
    waveform, sample_rate = repeated(audio, seconds)
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        motion = talk(read_image(picture), waveform, sample_rate, Path(folder) / "talk.mp4")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    peak_mb = peak / (1e6 if sys.platform == "darwin" else 1e3 / 1.024)
    taken = time.perf_counter() - start
    row = {"audio_seconds": seconds, "frames": motion.frames, "peak_mb": round(peak_mb)}
    print(json.dumps({**row, "seconds": round(taken, 1)}))


def memory(picture: Path, audio: Path) -> list[dict[str, Any]]:
    """Peak memory of the whole pipeline for each length of audio."""
    rows = []
    for seconds in LENGTHS:
        command = [sys.executable, str(Path(__file__).resolve()), str(picture)]
        command += ["--audio", str(audio), "--talk", str(seconds)]
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
    parser.add_argument("--talk", type=float, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, default=RESULTS / "frames_speed.json")
    arguments = parser.parse_args()
    picture, audio, threads = arguments.pictures[0], arguments.audio, arguments.threads
    if arguments.talk:
        talk_and_tell(picture, audio, arguments.talk)
        return
    studio = Studio()
    summary: dict[str, Any] = {**machine(), "threads": threads}
    rows = []
    with torch.inference_mode():
        for path in arguments.pictures:
            rows.append(speed(studio, path, audio, threads))
            print(rows[-1], flush=True)
    summary["slowest_frames_a_second"] = min(row["frames_a_second"] for row in rows)
    summary["fast_enough"] = summary["slowest_frames_a_second"] >= FRAMES_A_SECOND
    result: dict[str, Any] = {"summary": summary, "speed": rows}
    if not arguments.no_memory:
        result["memory"] = memory(picture, audio)
        peaks = [row["peak_mb"] for row in result["memory"]]
        summary["peaks_apart_percent"] = round(100 * (max(peaks) / min(peaks) - 1), 1)
        summary["memory_flat"] = max(peaks) <= (1 + APART) * min(peaks)
    print(summary)
    write_result(arguments.out, result)


if __name__ == "__main__":
    main()
