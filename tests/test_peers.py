"""The benchmark's peers: environments by their content, errors with their last lines, processes that answer."""

import json
import sys
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from tiny_models import masked_batch, random_encoder, tiny

from benchmarks.peers import environments
from benchmarks.peers.environments import OURS, PEERS, Model, Peer, PeerError, Worker, build, checked
from compressor.records.latency import CompileOptions
from compressor.runtimes.local import LocalDevice


def test_what_is_installed_decides_which_environment_it_is(tmp_path: Path) -> None:
    source = tmp_path / "module.py"
    source.write_text("a = 1\n", encoding="utf-8")
    peer = Peer("core", (str(tmp_path),), (), torch=False, sources=(source,))
    assert peer.installed == ((str(tmp_path),),)
    assert replace(peer, torch=True).environment != peer.environment
    assert replace(peer, requirements=("other",)).environment != peer.environment
    before = peer.environment
    source.write_text("a = 2\n", encoding="utf-8")
    assert peer.environment != before
    assert len({each.environment for each in PEERS}) == len(PEERS)


def test_a_command_says_why_it_failed() -> None:
    assert checked([sys.executable, "-c", "print('fine')"], seconds=60) == "fine\n"
    with pytest.raises(PeerError, match=r"ended with 3:\n.*no such thing"):
        checked([sys.executable, "-c", "print('no such thing'); raise SystemExit(3)"], seconds=60)


def test_a_command_and_what_it_started_are_ended_when_the_time_is_up() -> None:
    script = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(600)'])"
    with pytest.raises(PeerError, match=r"took more than 0\.5 s"):
        checked([sys.executable, "-c", script], seconds=0.5)


@pytest.fixture
def scripts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for scripts of peers, that run in this environment."""
    monkeypatch.setattr(environments, "HERE", tmp_path)
    monkeypatch.setattr(environments, "python_of", lambda peer: OURS)
    return tmp_path


def test_models_are_made_once_and_again_when_their_script_changes(scripts: Path) -> None:
    script, teacher, text = scripts / "build_one.py", scripts / "teacher", scripts / "train.tsv"
    teacher.mkdir()
    text.write_text("a\tb\n", encoding="utf-8")
    make = "import pathlib, sys\npathlib.Path(sys.argv[3], 'm').write_text({!r})\n"
    script.write_text(make.format("first"), encoding="utf-8")
    peer = Peer("one", (), (Model("m", "m"),))
    made = build(peer, teacher, text, scripts / "out")
    (made / "m").write_text("kept", encoding="utf-8")
    assert (build(peer, teacher, text, scripts / "out") / "m").read_text(encoding="utf-8") == "kept"
    script.write_text(make.format("second"), encoding="utf-8")
    assert (build(peer, teacher, text, scripts / "out") / "m").read_text(encoding="utf-8") == "second"


@pytest.mark.parametrize(("script", "words"), [("raise ValueError('no')", "ValueError: no"), ("", "left no m")])
def test_half_of_its_models_are_none(scripts: Path, script: str, words: str) -> None:
    (scripts / "build_one.py").write_text(script, encoding="utf-8")
    peer = Peer("one", (), (Model("m", "m"),))
    for _ in range(2):  # nothing of the first try is taken for the models
        with pytest.raises(PeerError, match=words):
            build(peer, scripts / "build_one.py", scripts / "build_one.py", scripts / "out")


def test_an_engine_of_ours_is_timed_and_answers_in_a_process_of_its_own(tmp_path: Path) -> None:
    shape = tiny((2, 32), (2, 32))
    options = LocalDevice().save_engine(
        random_encoder(shape).emit().SerializeToString(), CompileOptions(1), tmp_path / "m.onnx"
    )
    batch = masked_batch(shape, (7,))
    np.savez(tmp_path / "feeds.npz", **batch)
    offsets, flat = np.array([0, 4, 7]), batch["input_ids"].ravel()
    np.savez(tmp_path / "rows.npz", ids=flat, type_ids=np.zeros_like(flat), offsets=offsets)
    model = Model("ours", "m.onnx", "compressor", (json.dumps(asdict(options)),))
    with Worker(OURS, model, tmp_path, threads=1) as worker:
        worker.ready()
        assert len(worker.ask(do="time", feeds=str(tmp_path / "feeds.npz"), seconds=0.01)["milliseconds"]) >= 1
        asked = worker.ask(do="answer", rows=str(tmp_path / "rows.npz"), outputs=str(tmp_path / "out.npy"))
    assert asked == {"rows": 2}
    assert np.load(tmp_path / "out.npy").shape == (2, shape.classes)


def test_a_model_that_cannot_be_loaded_is_an_error_with_the_reason(tmp_path: Path) -> None:
    with (
        Worker(OURS, Model("gone", "gone.onnx"), tmp_path, threads=1) as worker,
        pytest.raises(PeerError, match=r"(?s)the worker of gone ended with 1.*gone\.onnx"),
    ):
        worker.ready()
