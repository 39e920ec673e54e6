"""Imports point one way: types ← shared models ← stages ← talk and nodes; the host in one file."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
HOST = {"comfy", "comfy_api", "comfy_extras", "comfy_execution", "folder_paths", "server"}
OWN = {"models", "nodes", "utils", "synchrorama", "scripts", "training", "tests", "benchmarks"}
HOST_FILES = {"host.py", "render_model.py"}  # who in nodes/ knows ComfyUI's internals
STAGES = {"portrait", "emotion", "scene", "motion", "render", "video"}


def modules(folder):
    return sorted((ROOT / folder).rglob("*.py"))


def imports(path):
    """Every imported module: (True, path from the pack's root) or (False, absolute name)."""
    package = path.relative_to(ROOT).with_suffix("").parts[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((False, tuple(alias.name.split("."))) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield False, tuple(node.module.split("."))
        elif isinstance(node, ast.ImportFrom):
            climbed = len(package) - node.level + 1
            assert climbed >= 0, f"{path} climbs out of the pack"
            base = package[:climbed] + tuple((node.module or "").split(".") if node.module else ())
            for alias in node.names:
                yield True, (*base, alias.name)


def stage(parts):
    return parts[1] if len(parts) > 1 and parts[0] == "models" and parts[1] in STAGES else None


@pytest.mark.parametrize("path", modules("models"), ids=lambda p: p.relative_to(ROOT).as_posix())
def test_models_know_neither_host_nor_other_stages(path):
    own = path.relative_to(ROOT).with_suffix("").parts
    for is_relative, target in imports(path):
        if not is_relative:
            assert target[0] not in HOST | OWN, f"{target} is not imported in models/"
            continue
        assert target[0] == "models", f"{target} is outside of models/"
        if stage(own):
            assert stage(target) in (None, stage(own)), f"stage {stage(own)} imports {target}"
            assert target[1] != "talk"
        elif own[1] not in ("talk", "__init__"):
            assert stage(target) is None, f"{own[1]} is shared and imports the stage {target}"


@pytest.mark.parametrize("path", modules("nodes"), ids=lambda p: p.relative_to(ROOT).as_posix())
def test_only_host_knows_comfyui(path):
    for is_relative, target in imports(path):
        if is_relative:
            assert target[0] in ("nodes", "models")
            assert target[:2] != ("models", "talk")
            continue
        assert target[0] not in OWN
        if target[0] in HOST and path.name not in HOST_FILES:
            assert target[0] == "comfy_api", f"{target} belongs into {HOST_FILES}"


def test_execute_is_short():
    for path in modules("nodes"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and node.name == "execute":
                body = node.end_lineno - node.body[0].lineno
                assert body <= 20, f"{path.name}: execute has {body} lines; put maths into models/"
