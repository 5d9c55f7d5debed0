"""The page of a report: self-contained, readable without seeing, true to its records."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from bundles import TASK, make_bundle
from made_up_report import made_up_report

from compressor.cli.app import run
from compressor.errors import BorderError, UnavailableError
from compressor.export import EVALUATION, EVIDENCE, REPORT, EvaluationData
from compressor.records.distillation import DistillRecipe, LossTerm
from compressor.records.evidence import CostCurve, Evidence, PartCost, TrainingCurve, TrialPoint, check_evidence
from compressor.records.promise import Reason, Verdict
from compressor.records.results import Histogram, Report
from compressor.records.serial import save
from compressor.report.page import read_answers, render_comparison, render_page, rendering
from compressor.report.page.answers import Answers, ClassRow, Example
from compressor.verification.latency import histogram

EVIDENCE_FOUND = Evidence(
    lower_bound_ms=0.4,
    trials=(TrialPoint("4/192 0/96", 1.9, 2.1), TrialPoint("4/160 0/96", 1.7, 1.7)),
    parts=(PartCost("embeddings, head and call", 120.0), PartCost("layer 1: attention, 4 heads", 480.0)),
    curves=(CostCurve("attention", "heads", (1, 4, 12), (40.0, 120.0, 360.0), (1.0, 2.0, 3.0)),),
    trainings=(
        TrainingCurve("student-assistant", (10, 20, 30), (0.9, 0.5, 0.4)),
        TrainingCurve("student", (5, 15), (0.4, 0.3)),
    ),
)
ANSWERS = Answers(
    labels=("a", "b"),
    confusion=((90, 10), (5, 95)),
    classes=(ClassRow("a", 100, 92.0, 90.0), ClassRow("b", 100, 96.0, 95.0)),
    examples=(Example("<script>alert(1)</script> & more", "a", "a", "b"),),
    differing=7,
    rows=200,
)


def report(**changes: object) -> Report:
    found = made_up_report()
    latency = replace(found.verification.latency, histogram=Histogram((1.5, 2.0, 2.5), (900, 4000), 100))
    return replace(found, **{"verification": replace(found.verification, latency=latency), **changes})


class Seen(HTMLParser):
    """Tags, ids, and what is referred to."""

    VOID = ("meta", "br", "hr", "img", "input", "link")

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def all(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.tags if tag == name]


@pytest.fixture(scope="module")
def page() -> str:
    return render_page(report(), EVIDENCE_FOUND, ANSWERS)


def test_it_is_well_formed_and_needs_no_network(page: str) -> None:
    seen = Seen(page)
    assert seen.open == []
    assert not seen.all("link") + seen.all("img")
    assert [script for script in seen.all("script") if "src" in script] == []
    without_names = re.sub(r'xmlns(:xlink)?="[^"]*"', "", page)
    assert "http" not in without_names
    assert "url(" not in re.sub(r"url\(#[\w-]+\)", "", page)
    assert len(page) < 3_000_000


def test_no_identifier_stands_twice_and_every_reference_has_its_target(page: str) -> None:
    ids = [attributes["id"] for _, attributes in Seen(page).tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'(?:url\(#|xlink:href="#)([\w-]+)', page)) <= set(ids)


def test_the_verdict_comes_first_and_every_promise_has_its_line(page: str) -> None:
    body = page[page.index("<body>") :]
    assert body.index("every promise is kept") < body.index("<svg")
    assert "98.10 % of runs within 2.5 ms" in body
    missed = replace(report().verification, verdict=Verdict.MISSED, reasons=(Reason.SIZE_OVER_LIMIT,))
    other = render_page(report(verification=missed), Evidence(), None)
    assert '<header class="missed">' in other
    assert "size over the limit" in other


def test_every_picture_has_words_and_its_numbers_can_be_read(page: str) -> None:
    pictures = Seen(page).all("svg")
    assert len(pictures) == 7
    assert all(picture["role"] == "img" and len(picture["aria-label"] or "") > 40 for picture in pictures)
    for words in (
        "student: 89.50 points, 2 ms",
        "limit 2.5 ms",
        "what ships, layer 1: 4 heads",
        "layer 1: attention, 4 heads: 480.0 us, 80 %",
        "4/192 0/96: predicted 1.9 ms, measured 2.1 ms",
        "4000 runs around 2 ms",
        "12 heads: 360.00 us",
    ):
        assert f"<title>{words}</title>" in page
    assert "100 of them slower than shown" in page


def test_texts_cannot_change_the_page(page: str) -> None:
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; more" in page


def test_colours_follow_the_reader(page: str) -> None:
    assert "prefers-color-scheme: dark" in page
    assert "#010203" not in page
    assert "#040506" not in page
    assert page.count("currentColor") > 20


def test_what_was_not_measured_is_left_out() -> None:
    bare = replace(
        report(),
        architecture=None,
        teacher_layers=(),
        predicted_ms=None,
        verification=made_up_report().verification,
    )
    assert len(Seen(render_page(bare, Evidence(), None)).all("svg")) == 1


def test_the_command_has_the_losses_that_were_asked_for() -> None:
    assert "--distill" not in rendering.command(report())
    named = rendering.command(report(distill=DistillRecipe.named("pkd-skip")))
    assert "    --distill pkd-skip \\\n" in named
    assert named.endswith("--output bundle")
    recipe = DistillRecipe((LossTerm("vanilla-kd", 1.0, (("alpha", 0.25),)), LossTerm("pkd-skip")))
    written = rendering.command(report(distill=recipe))
    assert "    --distill losses.yaml \\\n" in written
    assert written.endswith(f"--output bundle\n\n# losses.yaml\n{recipe.in_yaml}")
    assert "vanilla-kd: {weight: 1.0, alpha: 0.25}" in render_page(report(distill=recipe), Evidence(), None)


def test_two_runs_are_side_by_side() -> None:
    slower = replace(report(), seed=3, chosen="teacher, fp32 compiled")
    both = render_comparison([report(), slower], EVIDENCE_FOUND)
    seen = Seen(both)
    assert seen.open == []
    assert len(seen.all("header")) == 2
    assert len(seen.all("svg")) == 1


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rendering, "find_spec", lambda name: None)
    with pytest.raises(UnavailableError, match=r"the page needs jinja2.*compressor\[report\]"):
        render_page(report(), Evidence(), None)


def test_a_curve_without_costs_is_refused() -> None:
    with pytest.raises(BorderError, match="the curve of attention needs a cost"):
        check_evidence(Evidence(curves=(CostCurve("attention", "heads", (1, 2), (1.0,), (0.1, 0.1)),)))
    for steps, losses in (((1, 2), (0.5,)), ((2, 1), (0.5, 0.4)), ((1, 1), (0.5, 0.4))):
        with pytest.raises(BorderError, match="the training of student needs a loss for every step"):
            check_evidence(Evidence(trainings=(TrainingCurve("student", steps, losses),)))


@pytest.fixture(scope="module")
def bundle(tiny_teacher: Path, tiny_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page") / "bundle"
    make_bundle(folder, tiny_teacher, tiny_data)
    save(replace(report(), task=TASK), folder / REPORT)
    save(EVIDENCE_FOUND, folder / EVIDENCE)
    return folder


def test_answers_are_those_of_the_evaluation_data(bundle: Path, tiny_data: Path) -> None:
    sentences = (tiny_data / "test.tsv").read_text(encoding="utf-8")
    data = EvaluationData.load(bundle / EVALUATION)
    wrong = data.engine.copy()
    wrong[[3, 8]] = -5 * wrong[[3, 8]]
    answers = read_answers(replace(data, engine=wrong), TASK, bundle / "tokenizer.json")
    assert answers is not None
    targets = data.targets.values
    assert np.array(answers.confusion).sum() == len(targets)
    assert sum(row.rows for row in answers.classes) == len(targets)
    assert answers.differing == 2
    taken = wrong.argmax(-1)
    assert np.trace(np.array(answers.confusion)) == (taken == targets).sum()
    rights = [100 * float((taken[targets == i] == i).mean()) for i in (0, 1)]
    assert [row.engine for row in answers.classes] == pytest.approx(rights)
    # The tiny tokenizer does not say that these two are no words.
    texts = [example.text.removeprefix("[CLS] ").removesuffix(" [SEP]") for example in answers.examples]
    assert len(texts) == 2
    assert all(text in sentences for text in texts)
    assert all(example.teacher != example.engine for example in answers.examples)


def test_scores_have_no_classes(bundle: Path) -> None:
    data = EvaluationData.load(bundle / EVALUATION)
    score = replace(data, engine=data.engine[:, :1], teacher=data.teacher[:, :1])
    assert read_answers(score, TASK, bundle / "tokenizer.json") is None


def test_a_histogram_counts_every_run() -> None:
    times = np.random.default_rng(0).lognormal(14.0, 0.3, size=5000).astype(np.int64)
    found = histogram(times, 2e6)
    assert sum(found.counts) + found.beyond == 5000
    assert found.edges_ms[-1] >= 2.0
    assert found.edges_ms[0] == pytest.approx(times.min() / 1e6)
    alike = histogram(np.full(10, 1_000_000), float("inf"))
    assert sum(alike.counts) + alike.beyond == 10


@pytest.mark.parametrize(
    ("flags", "begins"), [(["--format", "md"], "**met: every promise"), (["--format", "json"], '{\n "schema"')]
)
def test_the_command_prints_text(
    bundle: Path, flags: list[str], begins: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["report", str(bundle), *flags]) == 0
    assert capsys.readouterr().out.startswith(begins)


def test_the_command_writes_pages(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["report", str(bundle)]) == 0
    assert "report.html: met" in capsys.readouterr().out
    one = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Rows of a class" in one
    assert run(["report", str(bundle), str(bundle), "--output", "two.html"]) == 0
    assert "<h1>2 runs</h1>" in (tmp_path / "two.html").read_text(encoding="utf-8")
    (bundle / EVIDENCE).rename(bundle / "away")
    assert run(["report", str(bundle), "--output", "less.html"]) == 0
    (bundle / "away").rename(bundle / EVIDENCE)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--format", "md", "--open"], "--open shows a page, and --format is md"),
        (["--output", "nowhere/page.html"], "--output: cannot write"),
    ],
)
def test_bad_flags(bundle: Path, flags: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["report", str(bundle), *flags]) == 2
    assert words in capsys.readouterr().err


def test_no_bundle_no_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["report", str(tmp_path)]) == 2
    assert "report.json" in capsys.readouterr().err
