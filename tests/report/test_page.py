"""The page of a report: self-contained, readable without seeing, true to its records."""

import html
import re
import shlex
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
from compressor.records.bench import BatchLatency, LengthLatency
from compressor.records.distillation import DistillRecipe, LossTerm
from compressor.records.evidence import CostCurve, Evidence, PartCost, TrainingCurve, TrialPoint, check_evidence
from compressor.records.promise import Reason, Verdict
from compressor.records.results import Histogram, Report
from compressor.records.serial import save
from compressor.report import Run
from compressor.report.page import read_answers, render_comparison, render_page, rendering
from compressor.report.page.answers import Answers, AnswerTable, Confusion
from compressor.report.page.sorting import sort_value
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
    summary="On 7 of 200 rows engine and teacher differ.",
    tables=(
        AnswerTable(
            "Each class",
            ("class", "rows", "teacher right", "engine right"),
            (("a", "100", "92.0 %", "90.0 %"), ("b", "100", "96.0 %", "95.0 %")),
        ),
    ),
    confusion=Confusion("Rows of a class", ("a", "b"), ((90, 10), (5, 95))),
    examples=AnswerTable(
        "Where they differ",
        ("text", "label", "teacher", "engine"),
        (("<script>alert(1)</script> & more", "a", "a", "b"),),
    ),
)
MIXED = ("layer0.feed_forward.inner.product", "layer0.feed_forward.output.product", "word.widened")


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
        "student: 89.50 points, 95 % of runs within 2.4 ms",
        "no other model is both faster and more accurate",
        "limit 2.5 ms",
        "what ships, layer 1: 4 heads in int8",
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


def test_a_column_sorts_by_value_and_not_by_its_spelling(page: str) -> None:
    assert 'data-sort="2.0">2 ms<' in page
    assert 'data-sort="20.0">20 ms<' in page
    assert 'data-sort="70000.0">1m10s<' in page


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("98.4 us", 0.0984),
        ("2 ms", 2.0),
        ("2.5ms", 2.5),
        ("8.0s", 8000.0),
        ("1m15s", 75_000.0),
        ("10.0 MB", 10.0),
        ("-12.5 %", -12.5),
        ("+0.60", 0.6),
        ("89.50 (88.00 - 91.00)", 89.5),
        ("17 - 32", 17.0),
        ("5.0x", 5.0),
        ("900/s", 900.0),
        ("-", None),
        ("12 heads", None),
        ("10 reasons to see it", None),
        ("layer 1: attention", None),
    ],
)
def test_what_a_cell_sorts_by(cell: str, value: float | None) -> None:
    assert sort_value(cell) == pytest.approx(value)


def test_the_command_can_be_pasted_into_a_shell() -> None:
    words = ("compressor", "compress", "--teacher", "my teacher", "--data", "it's $HOME", "--max-latency", "2.5ms")
    page = render_page(report(command=words), Evidence(), None)
    shown = html.unescape(re.findall(r"<pre[^>]*>(.*?)</pre>", page, flags=re.DOTALL)[0])
    assert shown.count("\n") == 3
    assert tuple(shlex.split(shown.replace("\\\n", ""))) == words
    older = render_page(report(), Evidence(), None)
    assert "did not write the command down" in older
    assert "<pre" not in older


def test_a_sub_layer_that_stays_in_float32_is_hatched_and_said() -> None:
    shape = replace(made_up_report().architecture, word_rank=16)
    mixed = render_page(report(kept=MIXED, architecture=shape), EVIDENCE_FOUND, None)
    assert "<title>what ships, layer 1: 192 neurons in fp32</title>" in mixed
    assert "<title>what ships, layer 2: 96 neurons in int8</title>" in mixed
    assert mixed.count("<pattern ") >= 1
    assert "hidden width 384; products in int8 but for 3 products in fp32. Hatched: in fp32." in mixed
    assert "Outside the layers in fp32: word.widened." in mixed
    assert "factorised: 16 numbers per word" in mixed
    pure = render_page(report(), EVIDENCE_FOUND, None)
    assert "<pattern " not in pure
    assert "Hatched" not in pure
    assert "factorised" not in pure


def test_rows_that_were_left_out_are_said() -> None:
    batches = (BatchLatency(1, 2.0, 2.4, 500.0),)
    for share, words in ((0.99, "(longer rows, 1.0 % of all, were left out: they take too long)"), (1.0, "")):
        lengths = (LengthLatency(3, 20, share, 1.0, 1.2, 1.4),)
        page = render_page(report(), replace(EVIDENCE_FOUND, lengths=lengths, batches=batches), None)
        assert words in page
        assert ("were left out" in page) == bool(words)


def test_the_page_has_the_losses_that_were_asked_for() -> None:
    recipe = DistillRecipe((LossTerm("vanilla-kd", 1.0, (("alpha", 0.25),)), LossTerm("pkd-skip")))
    words = ("compressor", "compress", "--teacher", "t", "--data", "d", "--distill", "mine.yaml")
    page = html.unescape(render_page(report(distill=recipe, command=words), Evidence(), None))
    assert f"--distill mine.yaml\n\n# mine.yaml\n{recipe.in_yaml}" in page
    assert "vanilla-kd: {weight: 1.0, alpha: 0.25}" in page
    named = ("compressor", "compress", "--distill", "pkd-skip")
    page = render_page(report(distill=DistillRecipe.named("pkd-skip"), command=named), Evidence(), None)
    assert "--distill pkd-skip</pre>" in page


def test_two_runs_are_side_by_side() -> None:
    slower = replace(report(), seed=3, chosen="teacher, fp32 compiled", command=("compressor", "compress"))
    both = render_comparison([Run("new", report(), EVIDENCE_FOUND), Run("old", slower, EVIDENCE_FOUND)])
    seen = Seen(both)
    assert seen.open == []
    assert len(seen.all("header")) == 2
    assert len(seen.all("svg")) == 1
    assert both.count("How to do it again") == 2
    assert "cannot be compared" not in both
    assert ">+0.75<" in both  # the teacher's accuracy against the student's
    ids = [attributes["id"] for _, attributes in seen.tags if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_runs_that_cannot_be_compared_say_so() -> None:
    other = replace(report(), device="another CPU", workload=replace(report().workload, sequence_length=128))
    both = render_comparison([Run("new", report(), EVIDENCE_FOUND), Run("old", other, Evidence(0.9))])
    assert "The device is not the same, so that latencies cannot be compared. new: a CPU (4 cores); old: an" in both
    assert "The workload is not the same" in both
    assert "no other model is both faster and more accurate" not in both
    assert "In the shaded part" not in both


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
    targets = data.targets.values
    assert answers.confusion is not None
    counts = np.array(answers.confusion.counts)
    assert counts.sum() == len(targets)
    (classes,) = answers.tables
    assert [int(row[1]) for row in classes.rows] == [(targets == i).sum() for i in (0, 1)]
    assert answers.summary == f"On 2 of {len(targets)} rows engine and teacher differ."
    taken = wrong.argmax(-1)
    assert np.trace(counts) == (taken == targets).sum()
    rights = [f"{100 * float((taken[targets == i] == i).mean()):.1f} %" for i in (0, 1)]
    assert [row[3] for row in classes.rows] == rights
    assert answers.examples is not None
    # The tiny tokenizer does not say that these two are no words.
    texts = [row[0].removeprefix("[CLS] ").removesuffix(" [SEP]") for row in answers.examples.rows]
    assert len(texts) == 2
    assert all(text in sentences for text in texts)
    assert all(teacher != engine for _, _, teacher, engine in answers.examples.rows)


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
    two = (tmp_path / "two.html").read_text(encoding="utf-8")
    assert "<h1>2 runs</h1>" in two
    assert "1: student" in two  # both are called bundle
    assert "2: student" in two
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


def test_nothing_is_written_into_a_bundle(
    bundle: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(bundle)
    before = sorted(bundle.iterdir())
    for flags in ([], ["--output", str(bundle / "page.html")], ["--format", "md", "--output", "report.md"]):
        assert run(["report", str(bundle), *flags]) == 2
        assert "would be inside a bundle, whose files are those of its manifest.json" in capsys.readouterr().err
    assert sorted(bundle.iterdir()) == before


def test_no_bundle_no_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["report", str(tmp_path)]) == 2
    assert "report.json" in capsys.readouterr().err
