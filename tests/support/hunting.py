"""A machine of hypothesis that hunts for what it is sure to find."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.support.effort import IS_FULL

if TYPE_CHECKING:
    from hypothesis.stateful import RuleBasedStateMachine

#: Examples of a short hunt, which soon leaves off to try small ones: most is found by it.
FEW = 60


def hunt(
    machine: type[RuleBasedStateMachine], how: settings, *, examples: int, min_steps: int = 0
) -> None:
    """Run a machine until it finds something, and raise that.

    :param how: settings of the machine
    :param examples: how many it has for it
    """
    for count in (examples,) if IS_FULL else (FEW, examples):
        hunting = settings(
            how,
            database=None,
            print_blob=False,
            report_multiple_bugs=False,
            max_examples=count,
            phases=[Phase.generate],
            derandomize=True,
        )
        run_state_machine_as_test(machine, settings=hunting, _min_steps=min_steps)
