import comfy.model_management
import folder_paths
import pytest
import torch
from synchrorama.nodes import host
from torch import nn

# ComfyUI 0.33 derives it from BaseException, so that a node's `except Exception` lets it pass.
CANCELLED = comfy.model_management.InterruptProcessingException


@pytest.fixture
def cancelled():
    comfy.model_management.interrupt_current_processing(True)
    yield
    comfy.model_management.interrupt_current_processing(False)


def test_frames_are_gathered_in_order():
    chunks = [torch.full((n, 2, 3, 3), float(n)) for n in (2, 1)]
    out = host.gather(iter(chunks), 3, 2, 3)
    assert torch.equal(out, torch.cat(chunks))


def test_frames_that_would_not_fit_are_refused_before_the_work(monkeypatch):
    monkeypatch.setattr(comfy.model_management, "get_free_memory", lambda device: 1e9)

    def work():
        pytest.fail("began to work")
        yield

    with pytest.raises(ValueError, match=r"750 frames of 1024 x 1024 need 9.4 GB .* 0.9 GB"):
        host.gather(work(), 750, 1024, 1024)


def test_cancel_stops_before_the_next_chunk():
    drawn = []

    def work():
        for index in range(10):
            drawn.append(index)
            if index == 2:
                comfy.model_management.interrupt_current_processing(True)
            yield torch.zeros(1, 2, 2, 3)

    with pytest.raises(CANCELLED):
        host.gather(work(), 10, 2, 2)
    assert drawn == [0, 1, 2]


def test_watch_stops_when_cancelled(cancelled):
    with pytest.raises(CANCELLED):
        host.watch(3)(1, 3)


def test_load_leaves_the_module_usable():
    layer = nn.Linear(2, 2)
    assert host.load(layer) is layer
    assert layer(torch.zeros(1, 2).to(host.device())).shape == (1, 2)


def test_models_folder_lists_weights_only(tmp_path, monkeypatch):
    monkeypatch.setattr(folder_paths, "models_dir", str(tmp_path))
    monkeypatch.setattr(folder_paths, "folder_names_and_paths", {})
    folder = tmp_path / host.FOLDER
    folder.mkdir()
    (folder / "a.safetensors").touch()
    (folder / "b.txt").touch()
    host.register_folder()
    host.register_folder()
    assert folder_paths.get_filename_list(host.FOLDER) == ["a.safetensors"]


def test_folders_of_hugging_face_are_listed_and_found(tmp_path, monkeypatch):
    monkeypatch.setattr(folder_paths, "models_dir", str(tmp_path))
    monkeypatch.setattr(folder_paths, "folder_names_and_paths", {})
    assert host.model_folders() == []
    host.register_folder()
    for name in ("voice", "someone/text", "no-config"):
        (tmp_path / host.FOLDER / name).mkdir(parents=True)
    for name in ("voice", "someone/text"):
        (tmp_path / host.FOLDER / name / "config.json").touch()
    assert host.model_folders() == ["someone/text", "voice"]
    assert host.model_folder("someone/text") == tmp_path / host.FOLDER / "someone" / "text"
    for name in ("gone", "../outside"):
        with pytest.raises(ValueError, match=f"'model' is '{name}', which is not in the folder"):
            host.model_folder(name)
