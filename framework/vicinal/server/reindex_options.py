"""The options of a reindex, from the request of a client."""

from __future__ import annotations

from typing import Any

from vicinal.errors import VicinalError
from vicinal.quality.gate import QualityGate, build_gate
from vicinal.quality.judgments import JudgedQuery
from vicinal.server import schemas
from vicinal.server.api_errors import ApiError, invalid_value
from vicinal.server.search_options import to_encoder_query
from vicinal.server.service import SolutionService
from vicinal.solution.checksum import config_checksum

__all__ = ["to_reindex_options"]


def to_reindex_options(service: SolutionService, body: schemas.ReindexRequest) -> dict[str, Any]:
    """What ``Jobs.start`` takes for a reindex.

    Raises:
        ApiError: 422, an option is wrong or does not go with another one; 409, the YAML is another one by now.
    """
    if body.checksum:
        _require_checksum(service, body.checksum)
    given = [name for name in body.model_fields_set if name not in ("action", "checksum") and getattr(body, name)]
    if body.action != "build":
        if given:
            raise invalid_value(given[0], f"does not go with the action {body.action}", "send the action alone")
        return {"action": body.action}
    return {
        "gate": _build_gate(service, body),
        "keep": body.keep,
        "from_stored": body.from_stored,
        "drop_failed": body.drop_failed,
    }


def _build_gate(service: SolutionService, body: schemas.ReindexRequest) -> QualityGate | None:
    if not body.gate:
        if name := next((name for name in ("labels", "judgments", "sample", "drop_failed") if getattr(body, name)), ""):
            raise invalid_value(name, "is for a gate, which there is none of", "send `gate`, as ['mAP@10>=live']")
        return None
    judged = [
        JudgedQuery(one.id or one.query, str(to_encoder_query(service, one.query, f"judgments.{number}.query")), judge)
        for number, one in enumerate(body.judgments)
        if (judge := {key: gain for key, gain in one.relevant.items() if gain})
    ]
    try:
        return build_gate(body.gate, labels=body.labels, judged=judged, sample=body.sample)
    except VicinalError as error:
        raise invalid_value("gate", str(error), error.hint) from error


def _require_checksum(service: SolutionService, checksum: str) -> None:
    config, _ = service.solution.read_yaml()
    if config_checksum(config) != checksum:
        raise ApiError(
            409,
            f"the server reads another YAML of {service.name!r}",
            hint="run the command with the YAML file that the server was started with, or stop the server",
        )
