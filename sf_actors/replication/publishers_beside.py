"""The other publishers that a replica hears besides the one that it follows."""

from __future__ import annotations

UNHEARD = -(2**65)
"""A number below all numbers that a message can carry."""

_REMEMBERED = 32

#: head, time of the last message from the subscription, whether answers have shown it to be false
_Known = tuple[int, float | None, bool]
_UNKNOWN: _Known = (UNHEARD, None, False)


def is_larger(epoch: int | None, other: int | None) -> bool:
    """Return True if `epoch` is larger than `other`; None, of a peer without, is the smallest."""
    return (UNHEARD if epoch is None else epoch) > (UNHEARD if other is None else other)


class PublishersBeside:
    """The publishers that are heard but not followed; they may be followed again."""

    def __init__(self) -> None:
        self._known: dict[int | None, _Known] = {}

    def leave(self, epoch: int | None, head: int, at: float | None, *, is_false: bool) -> None:
        """Note a publisher that is no longer followed.

        :param is_false: another publisher answers for it
        """
        self._keep(epoch, (head, at, is_false))

    def hear(self, now: float, epoch: int | None, number: int) -> None:
        """Note a message from the subscription."""
        head, _, is_false = self._known.pop(epoch, _UNKNOWN)
        self._keep(epoch, (max(head, number), now, is_false))

    def take(self, epoch: int | None) -> tuple[int, float | None]:
        """Forget a publisher that is followed from now on; return its head and its last time."""
        head, at, _ = self._known.pop(epoch, _UNKNOWN)
        return head, at

    def __contains__(self, epoch: int | None) -> bool:
        return epoch in self._known

    def on_air(self, now: float, longest_s: float) -> list[int | None]:
        """Return the epochs that were heard on the subscription within `longest_s`."""
        return [
            epoch
            for epoch, (_, at, _) in self._known.items()
            if at is not None and now < at + longest_s
        ]

    def is_false(self, epoch: int | None) -> bool:
        """Return True if another publisher has answered for this one."""
        return self._known.get(epoch, _UNKNOWN)[2]

    def _keep(self, epoch: int | None, known: _Known) -> None:
        self._known[epoch] = known
        if len(self._known) > _REMEMBERED:
            del self._known[next(iter(self._known))]
