"""A double of folder_paths."""

import tempfile
from pathlib import Path

models_dir = str(Path(__file__).parent / "no-models")
folder_names_and_paths = {}


def add_model_folder_path(folder_name, full_folder_path, is_default=False):
    paths, extensions = folder_names_and_paths.setdefault(folder_name, ([], set()))
    if full_folder_path not in paths:
        paths.append(full_folder_path)


def get_filename_list(folder_name):
    paths, extensions = folder_names_and_paths[folder_name]
    files = [file for path in paths for file in Path(path).rglob("*") if file.is_file()]
    return sorted(file.name for file in files if not extensions or file.suffix in extensions)


def get_input_directory():
    return str(Path(models_dir) / "input")


def get_output_directory():
    return str(Path(models_dir) / "output")


def get_temp_directory():
    return str(Path(tempfile.gettempdir()) / "no-comfyui-temp")


def get_save_image_path(filename_prefix, output_dir, image_width=0, image_height=0):
    path = Path(output_dir) / filename_prefix
    path.parent.mkdir(parents=True, exist_ok=True)
    used = [int(one.name[len(path.name) + 1 :][:5]) for one in path.parent.glob(f"{path.name}_*")]
    return (
        str(path.parent),
        path.name,
        max(used, default=0) + 1,
        str(Path(filename_prefix).parent),
        filename_prefix,
    )
