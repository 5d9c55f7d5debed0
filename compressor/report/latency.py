"""A latency table in words: a title, one line per op, the unit in every header."""

from compressor.records.architecture import Architecture, OpKey
from compressor.records.latency import LatencyTable, Measured, TableEntry
from compressor.records.units import format_seconds
from compressor.report.table import plain_table

HEADER = ("op", "width", "cached us", "std. error us", "n", "uncached us", "std. error us", "n")
ESTIMATED = "ESTIMATED"
UNITS = {"stem": "", "attention": "heads", "feed_forward": "neurons", "join": "edges"}
_NAMES = {"stem": "embeddings, head and call", "feed_forward": "feed-forward", "join": "sum and norm of a node"}


def op_name(op: OpKey) -> str:
    """`attention, first token only`: an op without its width and precision."""
    return _NAMES.get(op.kind, op.kind) + (", first token only" if op.first_token and op.kind != "stem" else "")


def shape_in_words(shape: Architecture) -> str:
    """`6 layers of 12 heads and 1536 neurons, hidden 384`; of unequal layers the widest."""
    heads, neurons = (max(getattr(layer, width) for layer in shape.layers) for width in ("heads", "neurons"))
    return f"{len(shape.layers)} layers of {heads} heads and {neurons} neurons, hidden {shape.hidden}"


def conditions(table: LatencyTable) -> str:
    """`fp32, batch 1, length 32, 4 thread(s)`, and that it is estimated where it is."""
    mark = f"{ESTIMATED}, not measured: " if table.source == "estimated" else ""
    return f"{mark}{table.precision}, {table.workload.in_words}"


def table_lines(table: LatencyTable, notice: str | None) -> list[str]:
    """Title, the notice that belongs to an estimate, then one line per entry, ops together and by rising width."""
    off = ", ".join(table.options.disabled_fusions)
    title = f"{conditions(table)}; {table.runtime}{f' without {off}' if off else ''}"
    entries = sorted(table.entries, key=lambda entry: (op_name(entry.op), entry.op.width))
    rows = [_cells(entry, estimated=table.source == "estimated") for entry in entries]
    return [title, *([notice] if notice else []), plain_table(HEADER, rows)]


def summary_line(table: LatencyTable, *, reused: bool) -> str:
    """What there is, and where from."""
    if table.source == "estimated":
        return f"{conditions(table)}: {len(table.entries)} ops from data sheets"
    took = "there already" if reused else f"measured in {format_seconds(table.seconds)}"
    return f"{conditions(table)}: {len(table.entries)} ops, {took}"


def _cells(entry: TableEntry, *, estimated: bool) -> tuple[str, ...]:
    mark = f"{ESTIMATED} " if estimated else ""
    width = f"{entry.op.width} {UNITS[entry.op.kind]}" if entry.op.width else "-"
    costs = (cell for cost in (entry.cached, entry.uncached) for cell in _cost(cost, estimated=estimated))
    cells = (width, *costs)
    return mark + op_name(entry.op), *(cell.rjust(len(name)) for cell, name in zip(cells, HEADER[1:], strict=True))


def _cost(cost: Measured, *, estimated: bool) -> tuple[str, str, str]:
    samples = "-" if estimated else str(cost.samples)
    return f"{cost.value_us:.2f}", f"{cost.standard_error_us:.3f}", samples
