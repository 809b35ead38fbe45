"""Cannot start."""


def init_function() -> None:
    raise RuntimeError("it cannot start")


connection_models: dict[str, object] = {}
