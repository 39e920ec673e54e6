"""A double of folder_paths."""

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
