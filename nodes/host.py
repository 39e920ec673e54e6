"""ComfyUI's services: devices, memory, progress, cancelling, folders. No other file knows them."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import comfy.model_management
import comfy.model_patcher
import comfy.utils
import folder_paths
import torch
from PIL import Image
from torch import Tensor, nn

from ..models.scene.language_model import LanguageModel

FOLDER = "synchrorama"
MOTIONS = "motion"  # folder of the output folder that Save Motion writes to by default
OUTPUT = " [output]"  # ComfyUI's mark on the name of a file in its output folder
BUILT_IN = "built-in"  # instead of a folder: the weights that ship with the pack

IN_MEMORY = 0.5e9  # bytes of frames; more of them go through a file
PREVIEW = 512  # px at most

LANGUAGE_FOLDERS = ("LLM", "text_encoders", FOLDER)  # where language models lie
NO_LANGUAGE_MODEL = "none found"

Module = TypeVar("Module", bound=nn.Module)


def register_folder() -> None:
    """Let users keep larger weights in ComfyUI's models/synchrorama or any folder of that name."""
    folder_paths.add_model_folder_path(FOLDER, str(Path(folder_paths.models_dir) / FOLDER))
    paths, _ = folder_paths.folder_names_and_paths[FOLDER]
    # ComfyUI leaves the set of extensions empty, which would list every file.
    folder_paths.folder_names_and_paths[FOLDER] = (paths, {".safetensors"})


def model_folders() -> list[str]:
    """Names of the Hugging Face folders in models/synchrorama: all that hold a config.json."""
    paths, _ = folder_paths.folder_names_and_paths.get(FOLDER, ([], set()))
    found = {
        config.parent.relative_to(path).as_posix()
        for path in paths
        for pattern in ("*/config.json", "*/*/config.json")
        for config in Path(path).glob(pattern)
    }
    return sorted(found)


def model_folder(name: str) -> Path:
    """Where a folder of `model_folders` is.

    Raises:
        ValueError: It is gone.
    """
    paths, _ = folder_paths.folder_names_and_paths.get(FOLDER, ([], set()))
    for path in paths:
        if name in model_folders() and (Path(path) / name / "config.json").is_file():
            return Path(path) / name
    raise ValueError(
        f"'model' is '{name}', which is not in the folder models/{FOLDER}. Choose '{BUILT_IN}', or "
        "put the folder there."
    )


def weight_files() -> list[str]:
    """Files in models/synchrorama, directly or in folders."""
    paths, _ = folder_paths.folder_names_and_paths.get(FOLDER, ([], set()))
    found = {
        file.relative_to(path).as_posix()
        for path in paths
        for file in Path(path).rglob("*.safetensors")
    }
    return sorted(found)


def weight_file(name: str) -> Path:
    """Where a file of `weight_files` is.

    Raises:
        ValueError: It is gone.
    """
    paths, _ = folder_paths.folder_names_and_paths.get(FOLDER, ([], set()))
    for path in paths:
        if name in weight_files() and (Path(path) / name).is_file():
            return Path(path) / name
    raise ValueError(
        f"'weights' is '{name}', which is not in the folder models/{FOLDER}. Choose '{BUILT_IN}', "
        "or put the file there."
    )


def motion_files() -> list[str]:
    """Files that may hold a motion: those of the input folder, and saved ones, marked [output]."""
    given = Path(folder_paths.get_input_directory())
    saved = Path(folder_paths.get_output_directory())
    return [*_motions(given, ""), *(name + OUTPUT for name in _motions(saved, MOTIONS))]


def input_file(name: str) -> Path:
    """Where a file of `motion_files` is.

    Raises:
        ValueError: It lies outside of ComfyUI's folders.
    """
    base = folder_paths.get_input_directory()
    if name.endswith(OUTPUT):
        base, name = folder_paths.get_output_directory(), name.removesuffix(OUTPUT)
    folder = Path(base).resolve()
    path = (folder / name).resolve()
    if not path.is_relative_to(folder):
        raise ValueError(f"'file' is '{name}', which lies outside of ComfyUI's folders.")
    return path


def fingerprint(name: str) -> str:
    """Changes when a file of `motion_files` does; empty where there is none."""
    path = input_file(name)
    if not path.is_file():
        return ""
    about = path.stat()
    return f"{name} {about.st_size} {about.st_mtime_ns}"


def output_file(prefix: str, suffix: str) -> tuple[Path, str]:
    """Where to write the next file of that prefix, and its name inside the output folder.

    Raises:
        ValueError: It would lie outside of ComfyUI's output folder.
    """
    base = Path(folder_paths.get_output_directory())
    if not (base / prefix).resolve().is_relative_to(base.resolve()):
        raise ValueError(
            f"'filename_prefix' is '{prefix}', which lies outside of ComfyUI's output folder. Use "
            "a name, or a folder and a name, without '..'."
        )
    folder, stem, counter, subfolder, _ = folder_paths.get_save_image_path(prefix, str(base))
    name = f"{stem}_{counter:05}_{suffix}"
    return Path(folder) / name, (Path(subfolder) / name).as_posix()


def _motions(folder: Path, below: str) -> list[str]:
    found = (path for ending in ("csv", "safetensors") for path in folder.glob(f"**/*.{ending}"))
    names = (path.relative_to(folder).as_posix() for path in found)
    return sorted(name for name in names if name.startswith(below))


def language_models() -> list[str]:
    """Language models as "LLM/name": folders with a config.json, and GGUF files."""
    found = {
        f"{folder}/{place.relative_to(path).as_posix()}"
        for folder, path in _language_paths()
        for pattern in ("*/config.json", "*/*/config.json", "*.gguf", "*/*.gguf")
        for file in path.glob(pattern)
        for place in (file if file.suffix == ".gguf" else file.parent,)
    }
    return sorted(found)


def language_model(name: str) -> Path:
    """Where a model of `language_models` is.

    Raises:
        ValueError: There is none of this name.
    """
    if name in language_models():
        for folder, path in _language_paths():
            if name.startswith(f"{folder}/") and (path / name[len(folder) + 1 :]).exists():
                return path / name[len(folder) + 1 :]
    raise ValueError(
        f"'model' is '{name}', which is not there. Put a language model (a folder with config.json "
        f"and safetensors, or a .gguf file) into models/{LANGUAGE_FOLDERS[0]} and press R."
    )


def _language_paths() -> list[tuple[str, Path]]:
    """Folders that may hold language models, each with the name it goes by."""
    out = []
    for folder in LANGUAGE_FOLDERS:
        paths, _ = folder_paths.folder_names_and_paths.get(folder, ([], set()))
        for path in dict.fromkeys([*paths, str(Path(folder_paths.models_dir) / folder)]):
            out.append((folder, Path(path)))
    return out


def language_dtype() -> torch.dtype:
    """What the weights of a language model are kept in: half of the memory on a GPU."""
    where = device()
    if where.type == "cpu":
        return torch.float32
    brain: bool = comfy.model_management.should_use_bf16(where)
    return torch.bfloat16 if brain else torch.float16


@dataclass(frozen=True, kw_only=True)
class HostedModel:
    """A language model and what ComfyUI moves it with."""

    model: LanguageModel
    patcher: Any


def patcher(module: nn.Module) -> Any:
    """What ComfyUI's memory management moves to the device and away again; keep it."""
    # The patcher sets 'device' on what it is given, which models of transformers do not allow.
    return _patched(comfy.model_patcher.ModelPatcher, nn.ModuleList([module]))


def _patched(kind: Any, module: nn.Module) -> Any:
    """A module in a patcher of this kind."""
    return kind(
        module,
        load_device=device(),
        offload_device=comfy.model_management.unet_offload_device(),
    )


def bring(patched: Any) -> None:
    """Move what a patcher holds to its device."""
    comfy.model_management.load_models_gpu([patched], force_full_load=True)


def device() -> torch.device:
    """Where ComfyUI wants models to run."""
    chosen: torch.device = comfy.model_management.get_torch_device()
    return chosen


def load(module: Module) -> Module:
    """The module on ComfyUI's device, under its memory management."""
    # ComfyUI 0.33 exchanges this class at its start, so it is looked up at each call.
    kind = getattr(comfy.model_patcher, "CoreModelPatcher", comfy.model_patcher.ModelPatcher)
    bring(_patched(kind, module))
    return module


def watch(total: int) -> Callable[[int, int], None]:
    """A function on_step(i, n) that moves the node's progress bar and stops when cancelled.

    Args:
        total: Steps to come.
    """
    bar = comfy.utils.ProgressBar(total)

    def on_step(step: int, steps: int) -> None:
        comfy.model_management.throw_exception_if_processing_interrupted()
        bar.update_absolute(step, steps)

    return on_step


def stop_if_cancelled() -> None:
    """Raise what ComfyUI expects when the user has cancelled."""
    comfy.model_management.throw_exception_if_processing_interrupted()


def gather_long(chunks: Iterable[Tensor], frames: int, height: int, width: int) -> Tensor:
    """As `gather`, with a preview, and through a file in ComfyUI's temp folder when they are many.

    Raises:
        ValueError: They would fit neither in memory nor on the disk.
    """
    need = frames * height * width * 3 * 4
    path = None
    if need > IN_MEMORY:
        folder = Path(folder_paths.get_temp_directory())
        folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(folder).free
        if need > free:
            raise ValueError(
                f"{frames} frames of {width} x {height} need {need / 1e9:.1f} GB on the disk of "
                f"ComfyUI's temp folder, {free / 1e9:.1f} GB are free. Use a smaller 'size' of the "
                "portrait or shorter audio."
            )
        handle, name = tempfile.mkstemp(".frames", FOLDER, folder)
        os.close(handle)
        path = Path(name)
    bar = comfy.utils.ProgressBar(frames)

    def shown() -> Iterator[Tensor]:
        done = 0
        for chunk in chunks:
            stop_if_cancelled()
            done += len(chunk)
            bar.update_absolute(done, frames, _preview(chunk[-1]))
            yield chunk

    if path is None:
        return gather(shown(), frames, height, width)
    try:
        with path.open("wb") as file:
            for chunk in shown():
                file.write(chunk.contiguous().float().cpu().numpy().data)
        flat = torch.from_file(str(path), shared=False, size=need // 4)
        return flat.view(frames, height, width, 3)
    finally:
        with contextlib.suppress(OSError):  # Windows keeps it until ComfyUI empties the folder
            path.unlink()


def _preview(frame: Tensor) -> tuple[str, Image.Image, int]:
    """A frame [H, W, 3] as ComfyUI sends it to the node."""
    pixels = (frame.clamp(0, 1) * 255).round().to(torch.uint8).cpu().numpy()
    return "JPEG", Image.fromarray(pixels), PREVIEW


def gather(chunks: Iterable[Tensor], frames: int, height: int, width: int) -> Tensor:
    """Frames that come in chunks as one IMAGE, with progress, cancelling and a check of memory.

    Args:
        chunks: Of shape [b, height, width, 3] 0..1, on any device; nothing is computed before the
            memory has been checked.
        frames: How many they are together, T.
        height: In pixels.
        width: In pixels.

    Returns:
        [T, height, width, 3] float32 on the CPU.

    Raises:
        ValueError: They would not fit in memory.
    """
    require_memory(frames, height, width)
    out = torch.empty(frames, height, width, 3)
    on_step = watch(frames)
    done = 0
    on_step(done, frames)
    for chunk in chunks:
        out[done : done + chunk.shape[0]] = chunk
        done += chunk.shape[0]
        on_step(done, frames)
    return out


def require_memory(frames: int, height: int, width: int) -> None:
    """Refuse frames that would not fit in memory.

    Raises:
        ValueError: They need more than is free, of which one tenth is left to everybody else.
    """
    need = frames * height * width * 3 * 4
    free = 0.9 * comfy.model_management.get_free_memory(torch.device("cpu"))
    if need > free:
        raise ValueError(
            f"{frames} frames of {width} x {height} need {need / 1e9:.1f} GB of memory, "
            f"{free / 1e9:.1f} GB are free. Use a smaller picture, a lower 'fps' or shorter audio."
        )
