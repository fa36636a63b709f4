"""The options of a reindex, from the request of a client."""

from __future__ import annotations

from typing import Any

from vicinal.quality.gate import build_gate
from vicinal.quality.judgments import JudgedQuery
from vicinal.server import schemas
from vicinal.server.api_errors import ApiError, invalid_value
from vicinal.server.search_options import to_encoder_query
from vicinal.server.service import SolutionService
from vicinal.solution.gate import Gate

__all__ = ["to_reindex_options"]


def to_reindex_options(service: SolutionService, body: schemas.ReindexRequest) -> dict[str, Any]:
    """What ``Jobs.start`` takes for a reindex.

    Raises:
        ApiError: 422, an option does not go with the action; 409, the YAML is another one by now.
    """
    if body.action != "build":
        if others := sorted(body.model_fields_set - {"action"}):
            raise invalid_value(others[0], f"does not go with the action {body.action}", "send the action alone")
        return {"action": body.action}
    if body.checksum:
        _require_checksum(service, body.checksum)
    return {
        "gate": _build_gate(service, body.gate) if body.gate else None,
        "keep": body.keep,
        "from_stored": body.from_stored,
        "drop_failed": bool(body.gate and body.gate.drop_failed),
    }


def _build_gate(service: SolutionService, gate: schemas.LabelGate | schemas.JudgedGate) -> Gate:
    if isinstance(gate, schemas.LabelGate):
        return build_gate(gate.conditions, labels=gate.labels, sample=gate.sample)
    judged = []
    for number, one in enumerate(gate.judgments):
        query = to_encoder_query(service, one.query, f"gate.judgments.{number}.query")
        judged.append(JudgedQuery(str(number), query, dict(one.relevant)))
    return build_gate(gate.conditions, judged=judged, sample=gate.sample)


def _require_checksum(service: SolutionService, checksum: str) -> None:
    if service.solution.read_checksum() != checksum:
        raise ApiError(
            409,
            f"the server reads another YAML of {service.name!r}",
            hint="run the command with the YAML file that the server was started with, or stop the server",
        )
