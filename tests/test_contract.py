"""What ComfyUI and its registry ask of the pack."""

import ast
import asyncio
import importlib.util
import inspect
import os
import re
import sys
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
DOUBLE = Path(__file__).resolve().parent / "double"
BANNED_MODULES = {
    "subprocess", "socket", "urllib", "http", "requests", "aiohttp", "ftplib", "pickle", "shelve",
    "ctypes", "importlib", "pip", "sqlite3", "multiprocessing",
}  # fmt: skip
BANNED_CALLS = {"eval", "exec", "compile", "__import__", "system", "popen", "putenv", "print"}

DOUBLED = (
    "comfy_api/io_double",
    "comfy_api/latest",
    "folder_paths",
    "comfy/model_management",
    "comfy/model_patcher",
    "comfy/utils",
    "comfy/conds",
    "comfy/latent_formats",
    "comfy/model_base",
    "comfy/model_sampling",
    "comfy/sd",
    "comfy/supported_models_base",
)


def ignored():
    lines = (ROOT / ".comfyignore").read_text(encoding="utf-8").split()
    return [line.rstrip("/") for line in lines]


def shipped():
    """The Python files that users install."""
    out = []
    for path in ROOT.rglob("*.py"):
        parts = path.relative_to(ROOT).parts
        hidden = parts[0].startswith(".") or "__pycache__" in parts
        if not hidden and not any(fnmatch(parts[0], pattern) for pattern in ignored()):
            out.append(path)
    return out


def test_only_the_pack_ships():
    assert {path.relative_to(ROOT).parts[0] for path in shipped()} <= {
        "__init__.py",
        "models",
        "nodes",
    }


@pytest.mark.parametrize("path", shipped(), ids=lambda p: p.relative_to(ROOT).as_posix())
def test_registry_rules(path):
    """No subprocess, network, eval, exec, pickle or import by string in what users install."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            assert not {alias.name.split(".")[0] for alias in node.names} & BANNED_MODULES
        if isinstance(node, ast.ImportFrom) and not node.level:
            assert node.module.split(".")[0] not in BANNED_MODULES
        if isinstance(node, ast.Call):
            function = node.func
            if isinstance(function, ast.Name):
                assert function.id not in BANNED_CALLS
            if isinstance(function, ast.Attribute):
                assert function.attr not in {"eval", "system", "popen", "environ"}
                name = ast.unparse(function)
                assert name not in ("torch.load", "torch.manual_seed", "torch.save")


def load_as_comfyui(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "__init__.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def odd_name():
    name = "/home/u/ComfyUI/custom_nodes/ComfyUI-SynchroRaMa_x_1"
    yield name
    for key in [key for key in sys.modules if key.startswith(name)]:
        del sys.modules[key]


def test_pack_loads_as_comfyui_loads_it(odd_name):
    module = load_as_comfyui(odd_name)
    assert not hasattr(module, "NODE_CLASS_MAPPINGS")
    assert (ROOT / module.WEB_DIRECTORY).is_dir()
    assert f"{odd_name}.nodes" not in sys.modules  # nothing is imported before it is asked for

    async def nodes():
        extension = await module.comfy_entrypoint()
        await extension.on_load()
        return await extension.get_node_list()

    loaded = asyncio.run(nodes())
    assert isinstance(loaded, list)
    ids = [node.define_schema().node_id for node in loaded]
    assert len(ids) == len(set(ids)) >= 5


def test_a_failing_import_is_logged_and_raised(odd_name, caplog, monkeypatch):
    module = load_as_comfyui(odd_name)
    monkeypatch.setitem(sys.modules, f"{odd_name}.nodes", None)
    with pytest.raises(ImportError):
        asyncio.run(module.comfy_entrypoint())
    assert "could not be loaded" in caplog.text
    assert caplog.records[0].exc_info


def test_project_file_and_requirements_agree():
    tomllib = pytest.importorskip("tomllib")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    listed = (ROOT / "requirements.txt").read_text(encoding="utf-8").split()
    assert project["project"]["dependencies"] == listed
    pinned = [one for one in listed if re.match(r"(torch|torchvision|torchaudio|numpy)\W", one)]
    assert not pinned
    assert "comfyui" not in project["project"]["name"].lower()
    assert "dynamic" not in project["project"]
    packages = {
        "synchrorama" + "".join(f".{part}" for part in path.relative_to(ROOT).parts[:-1])
        for path in shipped()
        if path.name == "__init__.py"
    }
    assert set(project["tool"]["setuptools"]["packages"]) == packages


def test_weights_stay_small():
    weights = [path.stat().st_size for path in (ROOT / "models" / "weights").iterdir()]
    assert sum(weights) <= 48e6


@pytest.mark.host
@pytest.mark.skipif(not os.environ.get("COMFYUI_ROOT"), reason="COMFYUI_ROOT names no ComfyUI")
@pytest.mark.parametrize("name", DOUBLED)
def test_the_double_has_nothing_that_comfyui_lacks(name):
    real_name = {"comfy_api/io_double": "comfy_api.latest._io"}.get(name, name.replace("/", "."))
    real = importlib.import_module(real_name)
    real_file = Path(real.__file__).resolve()
    assert Path(os.environ["COMFYUI_ROOT"]).resolve() in real_file.parents
    if name == "comfy_api/latest":
        assert real.ComfyExtension.on_load and real.ComfyExtension.get_node_list
        return
    spec = importlib.util.spec_from_file_location("double_under_test", DOUBLE / f"{name}.py")
    double = importlib.util.module_from_spec(spec)
    sys.modules["double_under_test"] = double
    spec.loader.exec_module(double)
    compared = 0
    for key, value in vars(double).items():
        if key.startswith("_") or inspect.ismodule(value) or not hasattr(value, "__module__"):
            continue
        if value.__module__ != "double_under_test":
            continue
        compared += same_surface(key, value, getattr(real, key))
    assert compared


def same_surface(name, double, real):
    """Count of signatures compared: each parameter of the double exists, in the same place."""
    compared = 0
    if inspect.isclass(double):
        for key, value in vars(double).items():
            if inspect.isclass(value) and key == "Input":
                compared += same_surface(f"{name}.{key}", value, getattr(real, key))
            elif inspect.isfunction(value) and not (key.startswith("_") and key != "__init__"):
                compared += same_surface(f"{name}.{key}", value, getattr(real, key))
    elif inspect.isfunction(double):
        mine, theirs = (list(inspect.signature(one).parameters) for one in (double, real))
        missing = [one for one in mine if one not in theirs]
        if any(p.kind == p.VAR_KEYWORD for p in inspect.signature(real).parameters.values()):
            missing = []
        assert not missing, f"{name} of ComfyUI takes no {missing}"
        compared += 1
    return compared
