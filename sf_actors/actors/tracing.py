"""OpenTelemetry spans of sends and of the handlers that receive them.

Used only if a provider is configured: without one, nothing here is called or imported.
The `traceparent` of a span travels as a key of the frame (W3C Trace Context).
"""

from __future__ import annotations

import os
import sys
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec import UNSET, Raw, UnsetType

from sf_actors.errors import Refused
from sf_actors.log import package_logger
from sf_actors.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from opentelemetry.context import Context
    from opentelemetry.trace import Span, SpanKind, TracerProvider

    from sf_actors.counters import Counters
    from sf_actors.definition.models import Model
    from sf_actors.user_code.to_send import Outbound, Send

VARIABLE: Final = "OTEL_TRACES_EXPORTER"

#: The `traceparent` of the current span, packed as it travels.
TRACEPARENT: Final[ContextVar[Raw | UnsetType]] = ContextVar("traceparent", default=UNSET)

_KEY: Final = "traceparent"
_LONGEST: Final = 200
_text: Final = msgspec.msgpack.Decoder(str)


class Traced:
    """A workflow id with a `traceparent`, to pass through code that carries only an id."""

    __slots__ = ("traceparent", "workflow_id")

    def __init__(self, workflow_id: object, traceparent: Raw | UnsetType | None) -> None:
        self.workflow_id = workflow_id
        self.traceparent = traceparent


class Tracing:
    """Makes the spans of one run; any thread.

    :param provider: makes the tracer
    :param service: its name, an attribute of each span
    """

    def __init__(self, provider: TracerProvider, service: str) -> None:
        from opentelemetry.trace import SpanKind  # noqa: PLC0415 - see the top of the file
        from opentelemetry.trace.propagation import tracecontext  # noqa: PLC0415

        self._tracer = provider.get_tracer("sf_actors", VERSION)
        self._propagator = tracecontext.TraceContextTextMapPropagator()
        self._service = service
        self._kinds = SpanKind

    def traced(self, outbound: Outbound) -> TracedOutbound:
        """Return what sends as the given one does, within a client or producer span."""
        return TracedOutbound(outbound, self)

    def send(self, model: Model, send: Send, args: Any, workflow_id: object) -> Any:
        """Send within a span."""
        is_asking = model.type in {"requester", "external_target"}
        kind = self._kinds.CLIENT if is_asking else self._kinds.PRODUCER
        with self._span(model, kind, workflow_id, None) as span:
            carrier: dict[str, str] = {}
            self._propagator.inject(carrier)
            token = TRACEPARENT.set(packed(carrier.get(_KEY)))
            try:
                return send(args, workflow_id)
            except BaseException as error:
                _fail(span, error)
                raise
            finally:
                TRACEPARENT.reset(token)

    def handler(
        self,
        handler: Callable[..., Any],
        model: Model,
        workflow_id: object,
        traceparent: Raw | UnsetType | None,
    ) -> Callable[..., Any]:
        """Return a handler, for one call, that runs within a server or consumer span.

        :param traceparent: from the message, unchecked
        """
        kind = self._kinds.SERVER if model.type == "replyer" else self._kinds.CONSUMER

        def handle(*arguments: Any) -> Any:
            parent = self._parent(traceparent)
            with self._span(model, kind, workflow_id, parent) as span:
                try:
                    return handler(*arguments)
                except BaseException as error:
                    _fail(span, error)
                    raise

        return handle

    def _span(
        self, model: Model, kind: SpanKind, workflow_id: object, parent: Context | None
    ) -> Any:
        return self._tracer.start_as_current_span(
            f"{self._service}/{model.name}",
            context=parent,
            kind=kind,
            attributes={
                "sf_actors.service": self._service,
                "sf_actors.model": model.name,
                "sf_actors.type": model.type,
                "sf_actors.workflow_id": str(workflow_id),
            },
            record_exception=False,
            set_status_on_exception=False,
        )

    def _parent(self, traceparent: Raw | UnsetType | None) -> Context | None:
        if traceparent is None or isinstance(traceparent, UnsetType):
            return None
        if memoryview(traceparent).nbytes > _LONGEST:
            return None
        try:
            text = _text.decode(traceparent)
        except msgspec.MsgspecError:
            return None
        return self._propagator.extract({_KEY: text})


class TracedOutbound:
    """An outbound connection or out-state that sends within a span."""

    def __init__(self, outbound: Outbound, tracing: Tracing) -> None:
        self.counters: Counters = outbound.counters
        self._outbound = outbound
        self._tracing = tracing

    def send(self, args: Any, workflow_id: object) -> Any:
        """Send arguments; any thread."""
        outbound: Any = self._outbound
        return self._tracing.send(outbound.model, outbound.send, args, workflow_id)


def packed(traceparent: str | None) -> Raw | UnsetType:
    """Return a `traceparent` as it travels."""
    return UNSET if traceparent is None else Raw(msgspec.msgpack.encode(traceparent))


def tracing_of(service: str) -> Tracing | None:
    """Return the tracing of a run; None if no provider is configured.

    :param service: its name
    """
    wanted = os.environ.get(VARIABLE, "").strip().lower()
    is_wanted = wanted not in {"", "none"}
    if not is_wanted and "opentelemetry.trace" not in sys.modules:
        return None
    try:
        from opentelemetry import trace  # noqa: PLC0415 - see the top of the file

        provider = trace.get_tracer_provider()
        idle = (trace.ProxyTracerProvider, trace.NoOpTracerProvider)
        if isinstance(provider, idle) and is_wanted:
            provider = _configured(wanted)
        return None if isinstance(provider, idle) else Tracing(provider, service)
    except ImportError as error:
        package_logger().warning(
            "no spans are made: OpenTelemetry lacks a part; pip install 'sf_actors[otel]'",
            variable=VARIABLE,
            reason=str(error),
        )
        return None


def _configured(names: str) -> TracerProvider:
    """Configure a provider from the environment, for the whole process.

    :param names: of the exporters
    :raises ImportError: one of them is not installed
    """
    from importlib.metadata import entry_points  # noqa: PLC0415 - seldom used

    from opentelemetry import trace  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    provider = TracerProvider()
    for name in _exporters(names):
        found = entry_points(group="opentelemetry_traces_exporter", name=name)
        if not found:
            raise ImportError(f"no exporter {name!r} is installed")
        provider.add_span_processor(BatchSpanProcessor(next(iter(found)).load()()))
    trace.set_tracer_provider(provider)
    return provider


def _exporters(names: str) -> Iterator[str]:
    for name in names.split(","):
        # the protocol has its own variable, which defaults to gRPC
        protocol = os.environ.get("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
        is_http = protocol.startswith("http")
        plain = name.strip()
        yield ("otlp_proto_http" if is_http else "otlp_proto_grpc") if plain == "otlp" else plain


def _fail(span: Span, error: BaseException) -> None:
    """Record an error in a span; a refusal is not an error."""
    from opentelemetry.trace import StatusCode  # noqa: PLC0415 - see the top of the file

    if isinstance(error, Refused):
        span.set_attribute("sf_actors.refused", str(error))
    else:
        span.record_exception(error)
        span.set_status(StatusCode.ERROR, type(error).__name__)
