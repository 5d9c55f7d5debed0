"""Quantities with units, as users write them."""

from collections.abc import Callable

import pytest

from compressor.errors import InputError
from compressor.records.units import (
    format_bytes,
    format_ms,
    format_seconds,
    parse_bytes,
    parse_milliseconds,
    parse_seconds,
)

Parse = Callable[[str], float]


@pytest.mark.parametrize(
    ("parse", "text", "value"),
    [
        (parse_milliseconds, "5ms", 5.0),
        (parse_milliseconds, "1.5ms", 1.5),
        (parse_milliseconds, ".5ms", 0.5),
        (parse_milliseconds, " 2 s ", 2000.0),
        (parse_milliseconds, "200us", 0.2),
        (parse_milliseconds, "200µs", 0.2),
        (parse_seconds, "90s", 90.0),
        (parse_seconds, "30m", 1800.0),
        (parse_seconds, "30min", 1800.0),
        (parse_seconds, "1.5h", 5400.0),
        (parse_bytes, "300B", 300),
        (parse_bytes, "1.001kB", 1001),  # 1000.9999... in floating point
        (parse_bytes, "20MB", 20_000_000),
        (parse_bytes, "20MiB", 20 * 2**20),
        (parse_bytes, "1GiB", 2**30),
    ],
)
def test_parsing(parse: Parse, text: str, value: float) -> None:
    assert parse(text) == pytest.approx(value, rel=1e-15)
    assert type(parse(text)) is type(value)


@pytest.mark.parametrize("parse", [parse_milliseconds, parse_seconds, parse_bytes])
@pytest.mark.parametrize(
    "text", ["5", "ms", "", "-5ms", "-5s", "-5MB", "5 parsecs", "1e3ms", "five s", "5ms5", "1,5ms"]
)
def test_garbage_is_refused_with_an_example(parse: Parse, text: str) -> None:
    with pytest.raises(InputError, match=r"^--[a-z-]+: expected a positive number with a unit \(.*\), such as"):
        parse(text)


@pytest.mark.parametrize(
    ("parse", "text", "flag"),
    [
        (parse_milliseconds, "0ms", "--max-latency"),
        (parse_seconds, "0.0h", "--time-budget"),
        (parse_bytes, "0MB", "--max-size"),
    ],
)
def test_zero_is_refused_with_the_flag(parse: Parse, text: str, flag: str) -> None:
    with pytest.raises(InputError, match=f"{flag}: expected more than zero, such as .*; got '{text}'"):
        parse(text)


def test_the_flag_of_the_caller_is_named() -> None:
    with pytest.raises(InputError, match="--limit: expected"):
        parse_milliseconds("x", flag="--limit")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (format_ms(0.0123), "12.3 us"),
        (format_ms(0.1), "0.1 ms"),
        (format_ms(1.2345), "1.23 ms"),
        (format_ms(45.67), "45.7 ms"),
        (format_ms(999.4), "999 ms"),
        (format_ms(999.6), "1000 ms"),
        (format_ms(12345.6), "12346 ms"),
        (format_bytes(20_000_000), "20.0 MB"),
        (format_bytes(1_234_567), "1.2 MB"),
        (format_seconds(8.04), "8.0s"),
        (format_seconds(59.94), "59.9s"),
        (format_seconds(60), "1m00s"),
        (format_seconds(75.2), "1m15s"),
        (format_seconds(3599.7), "60m00s"),
    ],
)
def test_formatting(text: str, expected: str) -> None:
    assert text == expected


@pytest.mark.parametrize("milliseconds", [0.0042, 0.0123, 0.25, 1.5, 98.7, 1234.0])
def test_what_is_printed_can_be_parsed(milliseconds: float) -> None:
    assert parse_milliseconds(format_ms(milliseconds)) == pytest.approx(milliseconds, rel=0.005)
