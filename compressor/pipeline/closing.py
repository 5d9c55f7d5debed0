"""How long the stages behind the last training take: with the evaluation split, and with what is promised.

    seconds of a stage = typical + passes of the teacher over the evaluation split / its speed

and to verify also as long as a look at the promised percentile takes. Typical times are those on 4 cores of a Zen 4
server.
"""

from compressor.pipeline.workbench import Workbench
from compressor.verification.latency import seconds_of_look

TYPICAL_SECONDS = {"export": 10.0, "verify": 2.0, "compare": 25.0, "report": 1.0}
# To export: teacher and student, in fp32 and as they ship. To compare: the teacher in eager PyTorch, which takes twice
# as long, and at each precision.
PASSES = {"export": 2.0, "verify": 1.0, "compare": 4.0, "report": 0.0}


def closing_seconds(bench: Workbench, *, tokens_per_second: float) -> dict[str, float]:
    """Of every stage.

    Args:
        bench: Names evaluation split and promise.
        tokens_per_second: That the fp32 teacher answers.
    """
    one_pass = len(bench.evaluation.tokens.ids) / tokens_per_second
    seconds = {name: typical + PASSES[name] * one_pass for name, typical in TYPICAL_SECONDS.items()}
    seconds["verify"] += seconds_of_look(bench.request.budget.percentile)
    return seconds
