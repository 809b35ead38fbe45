"""The verbs `ask` and `publish`: hand messages to models from inside, and wait for the answers."""

from __future__ import annotations

from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Final

from msgspec import UNSET

from sf_actors.actors.injected import InjectedMessage
from sf_actors.errors import InvalidArguments, RequestTimeout, ServiceStopped
from sf_actors.inspection.question import one_of
from sf_actors.sync.seconds import EXPECTED, is_seconds
from sf_actors.wire.envelope import encode_request

if TYPE_CHECKING:
    from collections.abc import Callable

    from sf_actors.definition.models import Model
    from sf_actors.inspection.deadlines import Deadline, Deadlines
    from sf_actors.inspection.question import OpenQuestion, QuestionArguments
    from sf_actors.lifecycle.residents import Resident

#: How long to wait for an answer by default, in seconds.
TIMEOUT_S: Final = 5.0

#: The most messages that may wait for answers at the same time.
MAX_UNDER_WAY: Final = 1_000


class ModelAnswered:
    """The answer of a model.

    :param number: of the message
    :param frame: the packed reply
    """

    __slots__ = ("frame", "number")

    def __init__(self, number: int, frame: bytes) -> None:
        self.number = number
        self.frame = frame


class Injections:
    """The messages that wait for answers; in the inspector's thread.

    :param tell: sends `ModelAnswered` to the inspector; any thread
    """

    def __init__(self, tell: Callable[[ModelAnswered], None], deadlines: Deadlines) -> None:
        self._tell = tell
        self._deadlines = deadlines
        self._under_way: dict[int, tuple[OpenQuestion, Deadline]] = {}
        self._last = 0

    def begin(
        self, resident: Resident, type_: str, asked: QuestionArguments, question: OpenQuestion
    ) -> None:
        """Hand a request to a replyer, or a message to a subscriber.

        :param type_: of the model
        :raises InvalidArguments: there is no such model, or an argument is wrong
        :raises ServiceStopped: the service is starting or stopping
        """
        model = model_of(resident, type_, asked.model)
        timeout_s = TIMEOUT_S if asked.timeout_s is None else asked.timeout_s
        if not is_seconds(timeout_s):
            raise InvalidArguments(f"timeout_s: expected {EXPECTED}, got {timeout_s!r}")
        if len(self._under_way) >= MAX_UNDER_WAY:
            raise InvalidArguments(f"{MAX_UNDER_WAY} wait for answers already; ask again later")
        expires_in_s = timeout_s if type_ == "replyer" else UNSET
        packed = encode_request(asked.args, question.workflow_id, expires_in_s=expires_in_s)
        self._last = number = self._last + 1
        message = InjectedMessage(
            packed, question.workflow_id, lambda frame: self._tell(ModelAnswered(number, frame))
        )
        actor = None if resident.state is None else resident.state.actors.get(_name_of(model))
        if actor is None or not actor.tell(message):
            raise ServiceStopped(f"{resident.name} takes nothing now: it starts or stops")
        deadline = self._deadlines.set(
            monotonic() + timeout_s,
            partial(self._give_up, number, message, f"{model.where}: no answer", timeout_s),
        )
        self._under_way[number] = question, deadline

    def take(self, answered: ModelAnswered) -> None:
        """Pass on an answer, unless it is too late."""
        question, deadline = self._under_way.pop(answered.number, (None, None))
        if question is not None and deadline is not None:
            deadline.cancel()
            question.send(answered.frame)

    def _give_up(
        self, number: int, message: InjectedMessage, problem: str, timeout_s: float
    ) -> None:
        message.is_moot = True
        question, _ = self._under_way.pop(number)
        question.fail(RequestTimeout(f"{problem} within {timeout_s:g} s"))


def model_of(resident: Resident, type_: str, name: str | None) -> Model:
    """Return the inbound connection with this type and name.

    :raises InvalidArguments: there is none
    """
    if name is None:
        raise InvalidArguments(f"expected a model, a {type_}")
    models = () if resident.state is None else resident.state.definition.models
    fitting = {model.name: model for model in models if model.type == type_}
    plain = name.removeprefix("in/")
    if plain not in fitting:
        raise one_of(f"{type_} of {resident.name}", plain, list(fitting))
    return fitting[plain]


def _name_of(model: Model) -> str:
    return f"{model.kind}/{model.side}/{model.name}"
