"""OpenTelemetry's tracer: none, and nothing imported, unless the environment or the program wants traces.

The environment does by OpenTelemetry's own variables: ``OTEL_EXPORTER_OTLP_ENDPOINT`` (or ``…_TRACES_ENDPOINT``), or
``OTEL_TRACES_EXPORTER``, which is ``otlp``, ``console`` (to stderr) or ``none``. A program does by a tracer provider of
its own. Endpoint, headers, sampler and resource are the SDK's to read.
"""

from __future__ import annotations

import functools
import importlib
import logging
import os
import sys
import threading
from typing import TYPE_CHECKING, Any

from vicinal.errors import ConfigError

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Tracer

__all__ = ["find_trace_ids", "get_tracer", "require_propagators", "send_spans"]

logger = logging.getLogger("vicinal.trace")

_API = "opentelemetry.trace"
_lock = threading.Lock()
_provider: TracerProvider | None = None
"""The one that the environment wants."""
_has_failed = False
"""Whether the environment wants traces and cannot have them, which is logged once."""


def get_tracer() -> Tracer | None:
    """The tracer, or None where there are no traces."""
    if not _has_provider() and not _install_provider():
        return None
    from opentelemetry import trace

    return trace.get_tracer("vicinal")


def require_propagators() -> None:
    """See that those of OTEL_PROPAGATORS are there, since FastAPI imports them whether there are traces or not.

    Raises:
        ConfigError: OpenTelemetry knows none of a name.
    """
    if not os.environ.get("OTEL_PROPAGATORS"):
        return
    try:
        importlib.import_module("opentelemetry.propagate")
    except ImportError:
        return  # without OpenTelemetry nobody reads the variable
    except ValueError as error:
        raise ConfigError(
            f"OTEL_PROPAGATORS: {error}",
            hint="install its package, as opentelemetry-propagator-b3, or unset the variable",
        ) from None


def send_spans() -> None:
    """Send what is left of the spans, if the environment wants traces; a process that a signal ends does not.

    It takes up to ten seconds where the collector does not respond. Later spans are not sent.
    """
    if _provider is not None:
        _provider.shutdown()


def find_trace_ids() -> dict[str, str]:
    """The ``trace_id`` and ``span_id`` of what this thread is doing, in hexadecimal, or nothing."""
    if not _has_provider():
        return {}
    context = sys.modules[_API].get_current_span().get_span_context()
    if not context.is_valid:
        return {}
    return {"trace_id": format(context.trace_id, "032x"), "span_id": format(context.span_id, "016x")}


def _has_provider() -> bool:
    """Whether the program, or ``_install_provider``, has set one; others may import the API without that."""
    api = sys.modules.get(_API)
    return api is not None and not isinstance(api.get_tracer_provider(), api.ProxyTracerProvider)


def _install_provider() -> bool:
    global _has_failed
    if _has_failed or not (names := _list_exporters()):
        return False
    with _lock:
        if _has_failed or _has_provider():
            return not _has_failed
        try:
            _set_provider(names)
        except (ImportError, ValueError) as error:
            _has_failed = True
            hint = "; pip install 'vicinal[otel]'" if isinstance(error, ImportError) else ""
            logger.warning("no traces: %s%s", error, hint)
        return not _has_failed


@functools.cache
def _list_exporters() -> list[str]:
    """What the environment wants, as it is when the first span could be made; reading it takes 4 µs."""
    if os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return []
    if named := os.environ.get("OTEL_TRACES_EXPORTER", "").strip():
        return [name for name in map(str.strip, named.split(",")) if name not in ("", "none")]
    has_endpoint = os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT") or os.environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
    return ["otlp"] if has_endpoint else []


def _set_provider(exporters: list[str]) -> None:
    """Send spans to the exporters, in the background; what is left is sent when the process ends.

    Raises:
        ImportError: the SDK or the exporter is not installed.
        ValueError: an exporter is unknown.
    """
    from opentelemetry import trace
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    from vicinal import __version__

    named = OTELResourceDetector().detect().attributes
    own = {"service.name": "vicinal", "service.version": __version__}
    provider = TracerProvider(resource=Resource.create({name: own[name] for name in own if name not in named}))
    for exporter in map(_make_exporter, exporters):
        provider.add_span_processor(BatchSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    global _provider
    _provider = provider


def _make_exporter(name: str) -> Any:
    if name == "otlp":
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        return OTLPSpanExporter()
    if name == "console":
        from opentelemetry.sdk.trace.export import ConsoleSpanExporter

        return ConsoleSpanExporter(out=sys.stderr)
    raise ValueError(f"OTEL_TRACES_EXPORTER names {name!r}, which is none of otlp, console and none")
