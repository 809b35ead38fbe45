from __future__ import annotations

from benchmarks.hops import STAMPS, steps


def noted(which: str, start_ns: int) -> list[tuple[str, int]]:
    """Return the stamps of one side of an echo whose every step takes 1,000 ns."""
    return [
        (f"{name} {edge}", start_ns + 1_000 * position)
        for position, (side, _, name, edge, _) in enumerate(STAMPS)
        if side == which
    ]


def test_the_steps_of_an_echo_are_the_times_between_its_stamps() -> None:
    found = steps(noted("ask", 0), noted("serve", 0), set())
    assert found == {step: 1.0 for *_, step in STAMPS if step}


def test_stamps_of_two_echoes_are_not_mixed() -> None:
    asked = noted("ask", 0) + noted("ask", 1_000_000)
    served = noted("serve", 0) + noted("serve", 1_000_000)
    assert steps(asked, served, set()) == {step: 1.0 for *_, step in STAMPS if step}


def test_steps_around_a_missing_function_become_one() -> None:
    found = steps(noted("ask", 0), noted("serve", 0), {"Replyer._take"})
    assert "server: receive" not in found
    assert found["server: decode, take the lock"] == 2.0


def test_an_echo_without_all_its_stamps_does_not_count() -> None:
    assert steps(noted("ask", 0), noted("serve", 0)[1:], set()) == {}


def test_a_look_at_an_empty_socket_belongs_to_no_echo() -> None:
    served = noted("serve", 0)
    spare = [("Replyer.on_readable in", served[-1][1] + 100)]
    again = noted("serve", 1_000_000)
    asked = noted("ask", 0) + noted("ask", 1_000_000)
    assert steps(asked, [*served, *spare, *again], set()) == {
        step: 1.0 for *_, step in STAMPS if step
    }


def test_an_echo_whose_sender_was_held_up_behind_its_receiver_does_not_count() -> None:
    """On a busy machine the next call may have begun before the server notes that it has sent."""
    held_up = [
        (event, at + 990_000 if event == "Replyer._send out" else at)
        for event, at in noted("serve", 0)
    ]
    asked = noted("ask", 0) + noted("ask", 1_000_000)
    served = held_up + noted("serve", 1_000_000)
    assert steps(asked, served, set()) == {step: 1.0 for *_, step in STAMPS if step}
