"""How user functions are called, and which cannot be."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any

import pytest

from sf_actors.definition.signature import (
    HANDLER,
    INIT,
    MAIN,
    SETUP,
    SETUP_ADDRESSES,
    SIGNAL,
    STATUS,
    bind,
)
from sf_actors.errors import DefinitionError

if TYPE_CHECKING:
    from collections.abc import Callable

    from sf_actors.definition.signature import Role


def called(function: Callable[..., Any], role: Role = HANDLER) -> Any:
    """Bind the function and call it with the offered names as the values."""
    return bind(function, role, where="svc.py: f")(*role.offered)


def refusal(function: Callable[..., Any], role: Role = HANDLER) -> str:
    with pytest.raises(DefinitionError) as caught:
        bind(function, role, where="svc.py: f")
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_a_function_of_exactly_what_is_offered_is_returned_itself() -> None:
    def handler(args: Any, to_send: Any, states: Any, config: Any) -> None: ...

    assert bind(handler, HANDLER, where="f") is handler


def test_parameters_get_their_values_by_name_in_any_order() -> None:
    assert called(lambda config, args: (config, args)) == ("config", "args")


def test_a_handler_may_leave_out_what_it_does_not_need() -> None:
    assert called(lambda args: args) == "args"


def test_main_may_leave_out_states() -> None:
    assert called(lambda to_send, config: (to_send, config), MAIN) == ("to_send", "config")


def test_a_function_without_parameters_is_called_without_any() -> None:
    assert called(lambda: "nothing") == "nothing"


def test_foreign_names_get_all_by_position() -> None:
    assert called(lambda a, b, c, d: (a, b, c, d)) == HANDLER.offered


def test_foreign_names_that_take_too_few_are_refused() -> None:
    assert "got f(a, b, c)" in refusal_of_three()


def refusal_of_three() -> str:
    def f(a: Any, b: Any, c: Any) -> None: ...

    return refusal(f).replace(": Any", "").replace(": 'Any'", "")


def test_foreign_names_that_take_too_many_are_refused() -> None:
    assert "expected a function" in refusal(lambda a, b, c, d, e: None)


def test_main_takes_two_by_position_as_to_send_and_config() -> None:
    assert called(lambda a, b: (a, b), MAIN) == ("to_send", "config")


def test_init_function_does_not_take_two_by_position() -> None:
    assert "all 3" in refusal(lambda a, b: None, INIT)


def test_two_parameters_and_a_default_keep_the_default_in_main() -> None:
    assert called(lambda a, b, c=1: (a, b, c), MAIN) == ("to_send", "config", 1)


def test_a_status_callback_takes_one_by_position() -> None:
    assert called(lambda s: s, STATUS) == "status"


def test_a_status_callback_may_have_what_a_handler_has() -> None:
    assert called(lambda status, config: (status, config), STATUS) == ("status", "config")


def test_a_setup_hook_takes_its_config_under_any_name() -> None:
    assert called(lambda anything: anything, SETUP) == "config"


def test_two_addresses_and_config_by_position() -> None:
    assert called(lambda a, b: (a, b), SETUP_ADDRESSES) == ("addresses", "config")


def test_star_args_take_all_by_position() -> None:
    assert called(lambda *args: args) == HANDLER.offered


def test_star_args_take_what_no_parameter_took() -> None:
    assert called(lambda config, *rest: (config, rest)) == ("config", ("args", "to_send", "states"))


def test_star_args_leave_a_keyword_only_parameter_its_own() -> None:
    assert called(lambda *rest, config: (rest, config)) == (("args", "to_send", "states"), "config")


def test_double_star_takes_all_by_name() -> None:
    assert called(lambda **kwargs: kwargs) == {name: name for name in HANDLER.offered}


def test_double_star_takes_the_rest_by_name() -> None:
    found = called(lambda args, **rest: (args, rest))
    assert found == ("args", {"to_send": "to_send", "states": "states", "config": "config"})


def test_both_stars_take_all_by_position_once() -> None:
    assert called(lambda *args, **kwargs: (args, kwargs)) == (HANDLER.offered, {})


def test_another_parameter_with_a_default_keeps_it() -> None:
    assert called(lambda args, retries=3, config=None: (args, retries, config)) == (
        "args",
        3,
        "config",
    )


def test_a_closure_default_after_all_positions_keeps_it() -> None:
    assert called(lambda a, b, c, d, name="x": (a, d, name)) == ("args", "config", "x")


def test_only_defaults_that_cannot_take_all_keep_theirs() -> None:
    assert called(lambda name="x": name) == "x"


def test_a_default_of_an_offered_name_is_overridden() -> None:
    assert called(lambda config=None: config) == "config"


def test_another_parameter_without_a_default_is_refused() -> None:
    def on_order(args: Any, konfig: Any) -> None: ...

    message = refusal(on_order)
    assert message.startswith("svc.py: f: expected a function of (args, to_send, states, config)")
    assert "on_order(args" in message
    assert message.endswith("did you mean 'config'?")


def test_keyword_only_parameters_are_passed_by_keyword() -> None:
    def handler(*, config: Any, args: Any) -> Any:
        return config, args

    assert called(handler) == ("config", "args")


def test_a_keyword_only_parameter_of_another_name_is_refused() -> None:
    def handler(a: Any, b: Any, c: Any, d: Any, *, extra: Any) -> None: ...

    refusal(handler)


def test_positional_only_parameters_are_passed_by_position() -> None:
    def handler(config: Any, args: Any, /) -> Any:
        return config, args

    assert called(handler) == ("config", "args")


def test_a_positional_only_parameter_behind_a_foreign_default_is_refused() -> None:
    def handler(extra: int = 1, args: Any = None, /) -> None: ...

    refusal(handler)


def test_signal_handlers_get_signum_and_frame() -> None:
    assert called(lambda signum, frame, to_send, states, config: (signum, frame), SIGNAL) == (
        "signum",
        "frame",
    )


def test_the_number_of_a_signal_may_be_called_sigint() -> None:
    assert called(lambda sigint, frame, to_send: (sigint, frame, to_send), SIGNAL) == (
        "signum",
        "frame",
        "to_send",
    )


def test_a_bound_method_does_not_count_self() -> None:
    class Shop:
        def on_order(self, args: Any, config: Any) -> Any:
            return args, config

    assert called(Shop().on_order) == ("args", "config")


def test_a_callable_object_is_called() -> None:
    class Handler:
        def __call__(self, args: Any) -> Any:
            return args

    assert called(Handler()) == "args"


def test_a_class_is_called_with_what_its_init_takes() -> None:
    class Reply:
        def __init__(self, args: Any) -> None:
            self.args = args

    assert called(Reply).args == "args"


def test_a_class_whose_instances_are_coroutine_functions_is_fine() -> None:
    class Reply:
        def __init__(self, args: Any) -> None:
            self.args = args

        async def __call__(self) -> None: ...

    assert called(Reply).args == "args"


def test_a_partial_keeps_what_it_has_bound_by_keyword() -> None:
    def handler(args: Any, config: Any) -> Any:
        return args, config

    assert called(functools.partial(handler, config=5)) == ("args", 5)


def test_a_partial_does_not_offer_what_it_has_bound_by_position() -> None:
    def handler(shop: Any, args: Any) -> Any:
        return shop, args

    assert called(functools.partial(handler, "shop")) == ("shop", "args")


def test_a_builtin_without_a_signature_gets_all_by_position() -> None:
    assert bind(dict.fromkeys, SETUP_ADDRESSES, where="f")("ab", 1) == {"a": 1, "b": 1}
    assert bind(max, SETUP_ADDRESSES, where="f")(1, 2) == 2


def test_a_wrapper_is_called_as_what_it_wraps() -> None:
    def twice(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            return function(*args, **kwargs), function(*args, **kwargs)

        return wrapper

    @twice
    def handler(args: Any) -> Any:
        return args

    assert called(handler) == ("args", "args")


def test_a_wrapper_with_parameters_of_its_own_is_called_by_them() -> None:
    def handler(a: Any, b: Any) -> Any:
        return a, b

    @functools.wraps(handler)
    def wrapper(args: Any) -> Any:
        return handler(args, 1)

    assert called(wrapper) == ("args", 1)


def test_a_wrapper_that_cannot_pass_on_what_is_wanted_is_refused() -> None:
    def handler(*, config: Any) -> None: ...

    @functools.wraps(handler)
    def wrapper(*args: Any) -> None: ...

    refusal(wrapper)


def test_a_coroutine_function_is_refused() -> None:
    async def handler(args: Any) -> None: ...

    assert "expected a plain function, got a coroutine function" in refusal(handler)


def test_a_partial_of_a_coroutine_function_is_refused() -> None:
    async def handler(args: Any, config: Any) -> None: ...

    assert "coroutine" in refusal(functools.partial(handler, config=1))


def test_an_object_with_a_coroutine_call_is_refused() -> None:
    class Handler:
        async def __call__(self, args: Any) -> None: ...

    assert "coroutine" in refusal(Handler())


def test_a_generator_function_is_refused() -> None:
    def handler(args: Any) -> Any:
        yield args

    assert "generator" in refusal(handler)


async def suspended(args: Any, to_send: Any, states: Any, config: Any) -> None: ...


def generator(args: Any, to_send: Any, states: Any, config: Any) -> Any:
    yield args, to_send, states, config


async def asynchronous_generator(args: Any, to_send: Any, states: Any, config: Any) -> Any:
    yield args, to_send, states, config


@pytest.mark.parametrize("function", [suspended, generator, asynchronous_generator])
def test_what_suspends_is_refused_also_with_all_that_is_offered(function: Any) -> None:
    assert "expected a plain function" in refusal(function)


def test_all_that_is_offered_and_more_is_no_plain_function() -> None:
    def keyword_only(args: Any, to_send: Any, states: Any, config: Any, *, more: Any) -> None: ...

    def variadic(args: Any, to_send: Any, states: Any, config: Any, *more: Any) -> Any:
        return more

    assert "more" in refusal(keyword_only)
    assert called(variadic) == ()


def test_all_that_is_offered_in_another_order_comes_by_name() -> None:
    assert called(lambda config, args, to_send, states: (config, args)) == ("config", "args")


def test_a_signature_that_a_decorator_has_left_is_what_counts() -> None:
    def handler(args: Any, to_send: Any, states: Any, config: Any) -> Any: ...

    handler.__signature__ = inspect.signature(lambda args: args)  # type: ignore[attr-defined]

    assert bind(handler, HANDLER, where="f") is not handler
