"""Models of the hub: downloaded once, at one commit, whole, and continued where a download broke off."""

import json
from pathlib import Path

import pytest
import tiny
from hub_server import Hub
from huggingface_hub import constants
from tokenizers import Tokenizer

from compressor.errors import InputError, UnavailableError
from compressor.hub import config_folder, model_folder, models
from compressor.teachers import load_teacher

NAME = "org/name"
FILES = {
    "config.json": b"{}",
    "tokenizer.json": b"{}",
    "vocab.txt": b"a\nb\n",
    "model.safetensors": bytes(range(256)) * 20,
    "pytorch_model.bin": b"pickled",
    "onnx/model.onnx": b"not wanted",
    "README.md": b"nor this",
}
WEIGHTS = FILES["model.safetensors"]


@pytest.fixture
def commit(hub: Hub) -> str:
    return hub.add("model", NAME, FILES)


def folder(cache: Path, watcher: tiny.Watcher | None = None) -> Path:
    return model_folder(NAME, cache=cache, observer=watcher or tiny.Watcher())


def bytes_of(path: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in path.iterdir()}


def test_the_files_of_a_model_and_no_others(hub: Hub, commit: str, tmp_path: Path) -> None:
    watcher = tiny.Watcher()
    found = folder(tmp_path, watcher)
    assert found.name == commit
    assert tmp_path in found.parents
    wanted = ("config.json", "tokenizer.json", "vocab.txt", "model.safetensors")
    assert bytes_of(found) == {name: FILES[name] for name in wanted}
    assert watcher.begun == ["fetch"]
    shares = [share for _, share in watcher.shares]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_what_is_in_the_cache_is_used_without_asking_again(hub: Hub, commit: str, tmp_path: Path) -> None:
    first = folder(tmp_path)
    asked = len(hub.asked)
    hub.add("model", NAME, {**FILES, "config.json": b'{"newer": 1}'})
    hub.status = 503
    assert folder(tmp_path) == first
    assert len(hub.asked) == asked


def test_pickled_weights_only_where_there_are_no_others(hub: Hub, tmp_path: Path) -> None:
    hub.add("model", NAME, {name: data for name, data in FILES.items() if name != "model.safetensors"})
    assert bytes_of(folder(tmp_path))["pytorch_model.bin"] == b"pickled"


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        (("config.json",), "has no config.json"),
        (("model.safetensors", "pytorch_model.bin"), "has no model.safetensors or pytorch_model.bin"),
    ],
)
def test_a_repository_that_is_no_model(hub: Hub, tmp_path: Path, missing: tuple[str, ...], message: str) -> None:
    hub.add("model", NAME, {name: data for name, data in FILES.items() if name not in missing})
    with pytest.raises(InputError, match=f"'{NAME}' {message}.*found README.md"):
        folder(tmp_path)


def test_a_broken_download_is_continued_at_its_commit(
    hub: Hub, commit: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)  # the client waits before it tries again
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 512)  # what it writes at once, 10 MB
    hub.budget = 2000
    with pytest.raises(UnavailableError, match=r"model.safetensors of org/name stopped .*the same command continues"):
        folder(tmp_path)
    (part,) = tmp_path.rglob("*.part")
    kept = part.stat().st_size
    assert 1000 < kept < len(WEIGHTS)
    hub.budget = None
    hub.asked.clear()
    hub.add("model", NAME, {**FILES, "config.json": b'{"newer": 1}'})
    found = folder(tmp_path)
    assert found.name == commit
    assert bytes_of(found)["model.safetensors"] == WEIGHTS
    assert bytes_of(found)["config.json"] == b"{}"
    files = [path for path in hub.asked if "/resolve/" in path]
    assert files == [f"/{NAME}/resolve/{commit}/model.safetensors bytes={kept}-"]


def test_a_damaged_file_is_refused_and_forgotten(hub: Hub, commit: str, tmp_path: Path) -> None:
    hub.damaged = {"model.safetensors"}
    with pytest.raises(UnavailableError, match=r"model.safetensors of org/name came damaged: expected SHA-256"):
        folder(tmp_path)
    hub.damaged = set()
    assert bytes_of(folder(tmp_path))["model.safetensors"] == WEIGHTS


def test_a_part_that_is_longer_than_the_file_is_not_continued(hub: Hub, commit: str, tmp_path: Path) -> None:
    partial = tmp_path / "hub" / "models" / "org--name" / f"{commit}.partial"
    partial.mkdir(parents=True)
    (partial / "config.json.part").write_bytes(b"much more than there is")
    assert bytes_of(folder(tmp_path))["config.json"] == b"{}"


@pytest.mark.parametrize(("status", "code"), [(404, "RepoNotFound"), (401, ""), (404, ""), (403, "GatedRepo")])
def test_a_repository_that_cannot_be_had(hub: Hub, tmp_path: Path, status: int, code: str) -> None:
    hub.status, hub.error_code = status, code
    with pytest.raises(InputError, match=r"has no model 'org/name', or it is gated or private.*HF_TOKEN"):
        folder(tmp_path)
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("status", [500, 503, 403, 407])
def test_a_hub_that_does_not_serve(hub: Hub, tmp_path: Path, status: int) -> None:
    hub.status = status
    with pytest.raises(UnavailableError, match=r"'org/name' is not in the cache.*cannot be reached") as caught:
        folder(tmp_path)
    assert str(status) in str(caught.value)
    assert "--teacher DIR --data DIR" in str(caught.value)
    assert str(tmp_path / "hub") in str(caught.value)


def test_an_old_repository_gets_a_fast_tokenizer(hub: Hub, tiny_teacher: Path, tmp_path: Path) -> None:
    whole = Tokenizer.from_file(str(tiny_teacher / "tokenizer.json"))
    vocabulary = sorted(whole.get_vocab().items(), key=lambda item: item[1])
    settings = {"tokenizer_class": "BertTokenizer", "do_lower_case": True}
    files = {
        "config.json": (tiny_teacher / "config.json").read_bytes(),
        "model.safetensors": (tiny_teacher / "model.safetensors").read_bytes(),
        "vocab.txt": "\n".join(word for word, _ in vocabulary).encode(),
        "tokenizer_config.json": json.dumps(settings).encode(),
    }
    hub.add("model", NAME, files)
    found = folder(tmp_path)
    made = Tokenizer.from_file(str(found / "tokenizer.json"))
    text = "the Plot was not dull"
    assert made.encode(text).ids == whole.encode(text).ids
    assert load_teacher(found).architecture == load_teacher(tiny_teacher).architecture


def test_a_repository_without_a_tokenizer_is_refused(hub: Hub, tmp_path: Path) -> None:
    hub.add("model", NAME, {"config.json": b"{}", "model.safetensors": b"x"})
    with pytest.raises(InputError, match=r"no tokenizer.json can be made for the model 'org/name'"):
        folder(tmp_path)


def test_the_weights_come_last(hub: Hub, commit: str, tmp_path: Path) -> None:
    """A wrong tokenizer or config is found before the big file is on its way."""
    folder(tmp_path)
    assert hub.asked[-1].endswith(models.WEIGHTS[0])


def test_a_shape_needs_no_weights(hub: Hub, commit: str, tmp_path: Path) -> None:
    found = config_folder(NAME, cache=tmp_path, observer=tiny.Watcher())
    assert bytes_of(found) == {"config.json": FILES["config.json"]}
    asked = len(hub.asked)
    assert config_folder(NAME, cache=tmp_path, observer=tiny.Watcher()) == found
    assert len(hub.asked) == asked
    assert "model.safetensors" in bytes_of(folder(tmp_path))  # the whole model is fetched by whoever needs it


def test_a_model_that_is_here_is_not_asked_for_its_config_again(hub: Hub, commit: str, tmp_path: Path) -> None:
    whole = folder(tmp_path)
    hub.status = 503
    assert config_folder(NAME, cache=tmp_path, observer=tiny.Watcher()) == whole
    assert config_folder(str(whole), cache=tmp_path / "other", observer=tiny.Watcher()) == whole


def test_a_model_without_config_has_no_shape(hub: Hub, tmp_path: Path) -> None:
    hub.add("model", NAME, {"model.safetensors": WEIGHTS})
    with pytest.raises(InputError, match=r"the model 'org/name' has no config.json: found model.safetensors"):
        config_folder(NAME, cache=tmp_path, observer=tiny.Watcher())
