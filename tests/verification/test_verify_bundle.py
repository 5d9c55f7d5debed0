"""Every promise of a bundle, and every way to tamper with it."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from bundles import edit_json, edit_manifest, make_bundle, rehash
from onnx import numpy_helper

from compressor.errors import InputError
from compressor.export import ENGINE, EVALUATION, MANIFEST, MODEL, EvaluationData
from compressor.profiles import fingerprint
from compressor.records.architecture import Precision
from compressor.records.promise import Budget, Reason, Verdict
from compressor.records.results import Manifest, Verification
from compressor.runtimes.fake import FakeDevice
from compressor.verification import read_manifest, verify_bundle
from compressor.verification.bundle import verify_size

FILES = [MODEL, ENGINE, EVALUATION, "config.json", "tokenizer.json", "tokenizer_config.json"]


@pytest.fixture(scope="module", params=list(Precision))
def pristine(
    request: pytest.FixtureRequest, tiny_teacher: Path, tiny_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    folder = tmp_path_factory.mktemp("verify") / "bundle"
    make_bundle(folder, tiny_teacher, tiny_data, precision=request.param)
    return folder


@pytest.fixture
def bundle(pristine: Path, tmp_path: Path) -> Path:
    return shutil.copytree(pristine, tmp_path / "bundle")


def verified(folder: Path, **budget: float) -> Verification:
    manifest = edit_manifest(folder, budget=Budget(**budget)) if budget else read_manifest(folder)
    return verify_bundle(folder, FakeDevice(), manifest=manifest)


def test_a_bundle_keeps_its_promises(bundle: Path) -> None:
    found = verified(bundle, max_latency_ms=10.0)
    assert found.verdict is Verdict.MET
    assert found.reasons == ()
    assert found.numerics.engine_difference < 1e-5  # fp32 is answered in batches here, one by one on record
    assert found.accuracy.rows == 40
    assert found.latency.limit_ms == 10.0
    assert found.latency.summary.processes == 5


def test_a_latency_on_another_device_is_unverified(bundle: Path) -> None:
    here = fingerprint()
    manifest = edit_manifest(bundle, budget=Budget(max_latency_ms=10.0), device="of another one")
    elsewhere = verify_bundle(bundle, FakeDevice(), manifest=manifest, here=here)
    assert (elsewhere.verdict, elsewhere.reasons) == (Verdict.UNVERIFIED, (Reason.LATENCY_NOT_ON_DEVICE,))
    assert elsewhere.accuracy.verdict is elsewhere.numerics.verdict is Verdict.MET
    manifest = edit_manifest(bundle, device=here.key)
    assert verify_bundle(bundle, FakeDevice(), manifest=manifest, here=here).verdict is Verdict.MET


def test_those_who_watch_hear_of_the_rows_and_then_of_the_processes(bundle: Path) -> None:
    told: list[tuple[float, str]] = []
    verify_bundle(
        bundle,
        FakeDevice(),
        manifest=read_manifest(bundle),
        progress=lambda share, text: told.append((share, text)),
    )
    rows = [(share, text) for share, text in told if text != "timed in fresh processes"]
    assert rows[-1] == (0.0, "100 % of the rows answered")
    assert {share for share, _ in rows} == {0.0}
    assert [share for share, _ in told[len(rows) :]] == [0.2, 0.4, 0.6, 0.8, 1.0]


@pytest.mark.parametrize("name", FILES)
def test_one_changed_byte_is_found(bundle: Path, name: str) -> None:
    data = bytearray((bundle / name).read_bytes())
    data[len(data) // 2] ^= 1
    (bundle / name).write_bytes(data)
    with pytest.raises(InputError, match=f"bundle: {name} has changed since it was verified; export the bundle again"):
        read_manifest(bundle)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_found(bundle: Path, name: str) -> None:
    (bundle / name).unlink()
    with pytest.raises(InputError, match=f"bundle: {name} is missing; export the bundle again"):
        read_manifest(bundle)


def test_a_file_that_was_added_is_found(bundle: Path) -> None:
    (bundle / "sub").mkdir()
    (bundle / "sub" / "run.py").touch()
    with pytest.raises(InputError, match=r"bundle: sub/run\.py is not in the manifest"):
        read_manifest(bundle)


def test_a_folder_without_a_manifest_is_no_bundle(bundle: Path) -> None:
    (bundle / MANIFEST).unlink()
    with pytest.raises(InputError, match=r"cannot read .*manifest\.json: No such file"):
        read_manifest(bundle)


@pytest.mark.parametrize("path", ["../model.onnx", "/etc/passwd", "sub/../../elsewhere"])
@pytest.mark.parametrize("field", ["files", "engine"])
def test_a_path_outside_of_the_bundle_is_refused(bundle: Path, path: str, field: str) -> None:
    manifest = read_manifest(bundle)
    edit_manifest(bundle, **{field: path if field == "engine" else {**manifest.files, path: "0" * 64}})
    with pytest.raises(InputError, match=f"the manifest names a path outside of the bundle: {path}; do not use it"):
        read_manifest(bundle)


def test_a_link_that_leads_outside_is_refused(bundle: Path, tmp_path: Path) -> None:
    shutil.move(bundle / ENGINE, tmp_path / "elsewhere.onnx")
    (bundle / ENGINE).symlink_to(tmp_path / "elsewhere.onnx")
    with pytest.raises(InputError, match=r"a path outside of the bundle: engine\.onnx"):
        read_manifest(bundle)


def test_an_engine_that_is_not_among_the_files_is_refused(bundle: Path) -> None:
    edit_manifest(bundle, engine="other.onnx")
    with pytest.raises(InputError, match=r"the engine other\.onnx is not in the manifest"):
        read_manifest(bundle)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda path: edit_json(path, schema=2), "expected Manifest of schema 1, found Manifest of schema 2"),
        (lambda path: edit_json(path, record="Report"), "expected Manifest of schema 1, found Report"),
        (lambda path: edit_json(path, seed="0"), "is not a valid Manifest: seed"),
        (lambda path: edit_json(path, sede=0), "it has no field sede"),
        (lambda path: path.write_text(path.read_text()[:200]), "is not JSON .*was it cut off"),
    ],
    ids=["newer schema", "other record", "wrong type", "unknown field", "cut off"],
)
def test_a_manifest_that_is_not_one_is_refused(bundle: Path, change: Callable[[Path], object], message: str) -> None:
    change(bundle / MANIFEST)
    with pytest.raises(InputError, match=message):
        read_manifest(bundle)


def perturb(path: Path, factor: float) -> None:
    """Scale one matrix of the graph: the classifier's."""
    model = onnx.load_model(path)
    weight = next(tensor for tensor in model.graph.initializer if tensor.name == "logits.weight")
    weight.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weight) * np.float32(factor), weight.name))
    path.write_bytes(model.SerializeToString())


def test_a_perturbed_engine_with_consistent_hashes_is_found_by_its_numerics(bundle: Path) -> None:
    # The sign of no logit changes, so accuracy and hashes are as good as before.
    perturb(bundle / ENGINE, 1.15)
    rehash(bundle)
    found = verified(bundle)
    assert found.numerics.verdict is Verdict.MISSED
    assert found.numerics.engine_difference > 0.25
    assert found.accuracy.verdict is Verdict.MET
    assert found.verdict is Verdict.MISSED
    assert found.reasons == (Reason.NUMERICS_DIVERGE,)


def test_fp32_is_held_to_more_digits_than_int8(bundle: Path) -> None:
    precision = read_manifest(bundle).precision
    perturb(bundle / ENGINE, 1.002)
    rehash(bundle)
    found = verified(bundle)
    assert 1e-3 < found.numerics.engine_difference < 0.25
    assert found.numerics.verdict is (Verdict.MISSED if precision is Precision.FP32 else Verdict.MET)


def test_an_emitted_graph_that_was_off_stays_off(bundle: Path) -> None:
    edit_manifest(bundle, emitted_difference=2e-3)
    assert verified(bundle).reasons == (Reason.NUMERICS_DIVERGE,)


def test_accuracy_is_measured_anew_and_not_believed(bundle: Path) -> None:
    # The engine is wrong wherever the teacher is right, and the record says that it always was.
    perturb(bundle / ENGINE, -1.0)
    data = EvaluationData.load(bundle / EVALUATION)
    classifier_only = FakeDevice().compile(bundle / ENGINE, read_options(bundle))
    outputs = np.concatenate([classifier_only.run(data.tokens.padded([row], 0)) for row in range(len(data.tokens))])
    EvaluationData(data.tokens, data.targets, data.teacher, data.student, outputs).save(bundle / EVALUATION)
    rehash(bundle)
    found = verified(bundle)
    assert found.numerics.verdict is Verdict.MET
    assert found.accuracy.points < 50 < found.accuracy.drop_points
    assert found.reasons == (Reason.ACCURACY_OVER_BUDGET,)


def read_options(folder: Path) -> object:
    from compressor.records.serial import load

    return load(Manifest, folder / MANIFEST).options


def test_each_promise_has_its_reason(bundle: Path) -> None:
    found = verified(bundle, max_latency_ms=1e-4, max_size_bytes=100)
    assert found.verdict is Verdict.MISSED
    assert found.reasons == (Reason.LATENCY_OVER_LIMIT, Reason.SIZE_OVER_LIMIT)


def test_the_size_is_that_of_engine_and_tokenizer(bundle: Path) -> None:
    parts = [(bundle / name).stat().st_size for name in ("tokenizer.json", "tokenizer_config.json")]
    engine = (bundle / ENGINE).stat().st_size
    exact = verify_size(bundle / ENGINE, bundle, Budget(max_size_bytes=engine + sum(parts)))
    assert (exact.engine_bytes, exact.tokenizer_bytes, exact.verdict) == (engine, sum(parts), Verdict.MET)
    assert (
        verify_size(bundle / ENGINE, bundle, Budget(max_size_bytes=engine + sum(parts) - 1)).verdict is Verdict.MISSED
    )
    assert verify_size(bundle / ENGINE, bundle, Budget()).verdict is Verdict.MET
