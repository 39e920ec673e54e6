"""A portrait talks, from the shell.

    python scripts/talk.py --portrait face.png --audio speech.wav --out video.mp4

Exit status 0, or 2 with one sentence that says what is wrong and what to do.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
import time
from pathlib import Path
from typing import NoReturn

from bootstrap import VENV, BootstrapError, alias_pack, run

NEEDED = ("torch", "numpy", "safetensors", "PIL", "av", "scipy")


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """One sentence instead of the usage."""
        sys.exit(_fail(f"{message[0].upper()}{message[1:]}. See --help."))


def _fail(sentence: object) -> int:
    print(sentence, file=sys.stderr)
    return 2


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OSError(
            f"Folder '{folder}' cannot be made ({error.strerror}). Choose another place."
        ) from error


def _arguments() -> argparse.Namespace:
    parser = _Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--portrait", type=Path, required=True, help="picture with a face")
    add("--audio", type=Path, required=True, help="speech, any format that FFmpeg reads")
    add("--out", type=Path, required=True, help="video to write, .mp4")
    add("--fps", type=float, default=25.0, help="frames a second, 8 to 60 (default 25)")
    add("--size", type=int, default=512, help="side of the head crop in pixels (default 512)")
    add("--seed", type=int, default=0, help="chooses the take of head, eyes and brows (default 0)")
    add(
        "--renderer",
        choices=["diffusion", "motion-frames"],
        default="motion-frames",
        help="diffusion refines mouth and eyes of the motion frames (default motion-frames)",
    )
    add("--motion-json", type=Path, help="also write motion, emotion and scene")
    add("--device", choices=["cpu", "cuda"], help="default: cuda where there is one")
    add("--text", help="what is said; the face shows the emotion estimated from it")
    add("--emotion", help="NAME[:STRENGTH] for the face to show, e.g. happy:0.8")
    add("--steps", type=int, help="of '--renderer diffusion' (default 4)")
    return parser.parse_args()


def _direction(emotion: str, names: tuple[str, ...]) -> str:
    """NAME[:STRENGTH] as a direction for the whole clip."""
    name, colon, strength = emotion.partition(":")
    if name not in names:
        raise ValueError(f"'--emotion' is '{name}'. Use one of {', '.join(names)}.")
    try:
        fits = not colon or 0.0 <= float(strength) <= 1.0
    except ValueError:
        fits = False
    if not fits:
        raise ValueError(
            f"'--emotion' has the strength '{strength}'. Use a number from 0 to 1: {name}:0.8."
        )
    return f"{name} {float(strength):f}" if colon else name


def _talk(arguments: argparse.Namespace) -> None:
    for path in (arguments.out, arguments.motion_json):
        if path is not None:
            _make_folder(path.parent)
    import torch

    alias_pack()
    from synchrorama.models.media import read_audio, read_image
    from synchrorama.models.render.sample import Sampling
    from synchrorama.models.talk import feel, see, talk, write_motion
    from synchrorama.models.types import EMOTIONS

    sampling = None
    if arguments.renderer == "diffusion":
        steps = Sampling.steps if arguments.steps is None else arguments.steps
        sampling = Sampling(steps=steps, seed=arguments.seed)
    direction = _direction(arguments.emotion, EMOTIONS) if arguments.emotion is not None else ""
    if arguments.device == "cuda" and not torch.cuda.is_available():
        raise ValueError("'--device cuda' was asked for but torch sees no GPU. Use --device cpu.")
    device = arguments.device or ("cuda" if torch.cuda.is_available() else "cpu")
    start = time.monotonic()
    started: dict[str, float] = {}

    def on_stage(stage: str, done: int, steps: int) -> None:
        started.setdefault(stage, time.monotonic())
        if done == steps:
            print(f"{stage}: {time.monotonic() - started[stage]:.1f} s", flush=True)

    image = read_image(arguments.portrait)
    waveform, sample_rate = read_audio(arguments.audio)
    emotion = None
    asked = arguments.text is not None or bool(direction)
    if asked or arguments.motion_json:
        emotion = feel(
            waveform,
            sample_rate,
            fps=arguments.fps,
            text=arguments.text or "",
            direction=direction,
            device=torch.device(device),
        )
    motion = talk(
        image,
        waveform,
        sample_rate,
        arguments.out,
        fps=arguments.fps,
        size=arguments.size,
        seed=arguments.seed,
        emotion=emotion if asked else None,
        sampling=sampling,
        device=torch.device(device),
        on_stage=on_stage,
    )
    if arguments.motion_json and emotion is not None:
        scene = see(
            image,
            waveform,
            sample_rate,
            emotion,
            text=arguments.text or "",
            device=torch.device(device),
        )
        write_motion(arguments.motion_json, motion, emotion, scene)
    print(
        f"Wrote {arguments.out}: {motion.frames} frames at {motion.fps:g} fps, "
        f"in {time.monotonic() - start:.1f} s on {device}."
    )


def main() -> int:
    """Exit status: 0, or 2 when something is wrong with what was given."""
    arguments = _arguments()
    if arguments.steps is not None and arguments.renderer != "diffusion":
        return _fail("'--steps' is for '--renderer diffusion'. Use both or none.")
    if any(importlib.util.find_spec(name) is None for name in NEEDED):
        if Path(sys.prefix) == VENV:
            return _fail(f"The environment in '{VENV}' is incomplete. Delete that folder.")
        try:
            return run("talk.py", sys.argv[1:])
        except BootstrapError as error:
            return _fail(error)
    try:
        _talk(arguments)
    except (ValueError, OSError) as error:
        return _fail(error)
    return 0


if __name__ == "__main__":
    sys.exit(main())
