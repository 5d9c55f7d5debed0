"""Progress in a pipe: what is printed when, by a clock that the test moves."""

import io
import time

import pytest

from compressor.cli.lines import FIRST_SECONDS, LOOK_SECONDS, NEXT_SECONDS, Lines


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Watched:
    """Lines, the clock they go by, and what was printed; `after` looks in the place of their thread."""

    def __init__(self, *, brief: bool = False) -> None:
        self.stream, self.clock = io.StringIO(), Clock()
        self.lines = Lines(self.stream, brief=brief, clock=self.clock)
        self.lines.close()  # the thread, which would look at any time

    def after(self, seconds: float) -> list[str]:
        """What is printed when so much time has passed."""
        start = len(self.printed)
        self.clock.now += seconds
        self.lines.tell()
        return self.printed[start:]

    @property
    def printed(self) -> list[str]:
        return self.stream.getvalue().splitlines()


@pytest.fixture
def watched() -> Watched:
    return Watched()


@pytest.fixture
def brief() -> Watched:
    return Watched(brief=True)


def test_the_first_line_of_progress_comes_within_two_seconds() -> None:
    assert FIRST_SECONDS + LOOK_SECONDS < 2


def test_a_stage_that_reports_nothing_says_how_long_it_takes(watched: Watched) -> None:
    watched.lines.begin("load", "the runtime")
    assert watched.printed == ["load: the runtime"]
    assert watched.after(FIRST_SECONDS - 0.25) == []
    assert watched.after(0.25) == ["load: 1.5s so far"]
    assert watched.after(NEXT_SECONDS - 0.25) == []
    assert watched.after(0.25) == ["load: 11.5s so far"]


def test_the_thread_prints_what_is_due_while_the_work_says_nothing() -> None:
    stream, clock = io.StringIO(), Clock()
    lines = Lines(stream, clock=clock)
    lines.begin("load", "the runtime")
    clock.now += FIRST_SECONDS
    give_up = time.monotonic() + 60
    while "so far" not in stream.getvalue() and time.monotonic() < give_up:
        time.sleep(0.01)
    lines.close()
    assert stream.getvalue().splitlines() == ["load: the runtime", "load: 1.5s so far"]
    assert not lines._thread.is_alive()


def test_many_reports_are_few_lines(watched: Watched) -> None:
    watched.lines.begin("answer", "rows")
    for done in range(160):
        watched.clock.now += 0.125
        watched.lines.progress(done / 160)
        watched.lines.tell()
    assert len(watched.printed) == 3  # at the begin, after 1.5 s and after 11.5 s
    assert watched.printed[1].startswith("answer: 7 %, about ")


def test_the_time_left_is_that_of_the_speed_since_the_share_moves(watched: Watched) -> None:
    watched.lines.begin("verify", "a bundle")
    watched.lines.progress(0.0, "50 % of the rows answered")
    assert watched.after(5) == ["verify: 5.0s so far, 50 % of the rows answered"]
    watched.clock.now += 45
    watched.lines.progress(0.0, "100 % of the rows answered")
    watched.clock.now += 4
    watched.lines.progress(0.2, "timed")
    assert watched.after(0) == ["verify: 20 %, about 16.0s left, timed"]
    assert watched.after(NEXT_SECONDS) == ["verify: 20 %, about 6.0s left, timed"]
    watched.lines.progress(1.0, "timed")
    assert watched.after(NEXT_SECONDS) == ["verify: 1m14s so far, timed"]


def test_an_ended_stage_says_nothing_more(watched: Watched) -> None:
    watched.lines.begin("load", "the runtime")
    watched.lines.note("it is large")
    watched.lines.end("load", 3.0, cached=False)
    watched.lines.begin("search", "shapes")
    watched.lines.end("search", 0.0, cached=True)
    assert watched.after(100) == []
    assert watched.printed[1:] == [
        "load: it is large",
        "load: done in 3.0s",
        "search: shapes",
        "search: taken from an earlier run",
    ]


def test_of_what_is_brief_nothing_is_said_unless_it_takes_long(brief: Watched) -> None:
    brief.lines.begin("predict", "load the bundle and answer")
    brief.lines.progress(1.0)
    assert brief.after(FIRST_SECONDS - 0.25) == []
    brief.lines.end("predict", 1.25, cached=False)
    assert brief.after(100) == []
    brief.lines.begin("predict", "load the bundle and answer")
    assert brief.after(FIRST_SECONDS) == ["predict: load the bundle and answer"]
    assert brief.after(NEXT_SECONDS) == ["predict: 11.5s so far"]
    brief.lines.end("predict", 12.0, cached=False)
    assert brief.printed[-1] == "predict: done in 12.0s"


def test_a_reader_that_went_away_ends_the_thread_alone() -> None:
    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            if self.lost:
                raise BrokenPipeError
            return super().write(text)

        lost = False

    stream, clock = Gone(), Clock()
    lines = Lines(stream, clock=clock)
    lines.begin("load", "the runtime")
    stream.lost = True
    clock.now += FIRST_SECONDS
    lines._thread.join(60)
    assert not lines._thread.is_alive()
    with pytest.raises(BrokenPipeError):
        lines.end("load", 3.0, cached=False)
    lines.close()
