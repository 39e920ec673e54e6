"""Weights of lips and gestures that a user has put beside the built-in ones."""

from __future__ import annotations

from ..models.checkpoint import read_header
from ..models.motion.audio_to_motion import FORMAT, AudioToMotion, AudioToMotionConfig
from ..models.motion.listener import Listener
from . import host

WITH = " + "  # between weights and the folder of wav2vec 2.0 that they were trained on


def motion_weights() -> list[str]:
    """What can be chosen: the built-in weights, then files, with each folder they may listen with.

    Only files whose header says that they are of this kind; those trained on features of
    wav2vec 2.0 once for each folder of it, and not at all where there is none.
    """
    ears = [name for name in host.model_folders() if Listener.fits(host.model_folder(name))]
    found = [host.BUILT_IN]
    for name in host.weight_files():
        kind, values = read_header(host.weight_file(name))
        if kind != FORMAT:
            continue
        if AudioToMotionConfig.from_dict(values).articulation.features == "mel":
            found.append(name)
        else:
            found += [name + WITH + ear for ear in ears]
    return found


def load_motion_weights(name: str) -> tuple[AudioToMotion, Listener | None]:
    """What a choice of `motion_weights` names, on ComfyUI's device.

    Raises:
        ValueError: It is gone, or cannot be read.
    """
    if name == host.BUILT_IN:
        return host.load(AudioToMotion.from_checkpoint()), None
    if name not in motion_weights():
        raise ValueError(
            f"'weights' is '{name}', which is not in the folder models/{host.FOLDER}. Choose "
            f"'{host.BUILT_IN}', or put the file there, and the folder of wav2vec 2.0 if it is "
            "named."
        )
    file, _, ear = name.partition(WITH)
    listener = host.load(Listener.from_folder(host.model_folder(ear))) if ear else None
    return host.load(AudioToMotion.from_checkpoint(host.weight_file(file))), listener
