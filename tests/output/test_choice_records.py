"""Records of choices, for people."""

import math

from ptycho_torch.output.choice_records import UnknownsRecord


def test_a_part_above_all_is_not_a_percentage_that_nobody_understands() -> None:
    """Fitted noise can leave more unexplained than there was; what is not finite is left out."""
    record = UnknownsRecord(chosen=(), unexplained={"nothing": 4.69, "modes": 0.123, "flux": math.inf})
    assert record.sentence.endswith("by what is estimated: nothing > 100 %, modes 12.3 %")
