"""The way into the room: which evaluation a solution gets."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from vicinal.errors import VicinalError
from vicinal.plugin.evaluation import Evaluation
from vicinal.plugin.foreign_calls import attribute_errors, name_encoder
from vicinal.quality.evaluation.model_report import ModelReport
from vicinal.quality.evaluation.report_sections import build_report_page
from vicinal.quality.evaluation.report_texts import Report, describe_report, list_findings
from vicinal.quality.evaluation.search_report import SearchReport
from vicinal.quality.kept_reports import Version, keep_report, read_version
from vicinal.quality.labels import list_fields
from vicinal.quality.measures import Measures
from vicinal.quality.per_query import require_writable_table
from vicinal.quality.sample import require_seed
from vicinal.quality.self_test.report import SelfReport
from vicinal.solution.learning import SourceItems
from vicinal.solution.solution import Solution
from vicinal.toolkit.atomic_files import require_writable
from vicinal.toolkit.pages import require_plotly, write_page

__all__ = ["evaluate", "require_outputs"]

DEFAULT_SAMPLE = 2_000
DEFAULT_SELF_SAMPLE = 200
_SEARCH_MEASURES = ("P@1", "P@10", "recall@10", "mAP@10", "MRR@10", "nDCG@10")
_MODEL_MEASURES = ("recall@10", "nDCG@10")


def evaluate(
    solution: Solution,
    *,
    labels: str = "",
    qrels: str | Path | None = None,
    queries: str | Path | None = None,
    measures: Sequence[str] = (),
    sample: int | None = None,
    seed: int = 0,
    per_query: str | Path | None = None,
    index_recall: bool = True,
    split: str = "",
    search: bool = False,
    self_test: bool = False,
    disturbances: Sequence[str] = (),
    html: str | Path | None = None,
    keep: bool = True,
) -> SearchReport | ModelReport | SelfReport:
    """Measure how good a solution's answers are, with 95% intervals.

    By ``labels`` or ``qrels`` it measures searches; with ``self_test`` whether items are found by themselves, disturbed
    as users' queries are; without any, the model of an encoder that brings an evaluation of its own, as one that
    recommends does.

    Args:
        labels: a metadata field; indexed items are searched with, and those of the same label are relevant.
        qrels: what people judged relevant, as TREC qrels or a CSV of query and key.
        queries: the texts of the queries that ``qrels`` name by id, as a CSV of id and query.
        measures: P@k, recall@k, mAP@k, MRR@k, nDCG@k; some usual ones by default.
        sample: the most queries that are asked, drawn at random; by default 2,000, and all of ``qrels``.
        seed: of that sample and of the intervals.
        per_query: a .parquet or .csv file that gets the figures of each query.
        index_recall: whether to measure what the index loses, too; that reads all stored vectors.
        split: how the encoder's own evaluation holds data back.
        search: whether that tries parameters first, on a validation part.
        self_test: search with items that are disturbed as ``Encoder.list_disturbances`` says: a picture that is
            cropped, a text with typing errors.
        disturbances: the names of those to ask; by default all.
        html: a file that gets the report as a page of its own, with plots and the worst queries.
        keep: whether the report is kept with the solution, whose page shows the latest one.

    Raises:
        VicinalError: it cannot be measured so, one argument excludes another, or a file cannot be written; the message
            says why.
        DependencyError: ``ir-measures`` is not installed or, for a page, plotly.
    """
    _require_one_way(labels, qrels, queries, split, search=search)
    _require_self_test(disturbances, self_test=self_test, others=labels or qrels or split or search or measures)
    require_seed(seed)
    if sample is not None and sample < 2:
        raise VicinalError(f"sample is {sample}", hint="an interval takes two queries or more")
    started = time.perf_counter()
    table = Path(per_query) if per_query is not None else None
    page = Path(html) if html is not None else None
    require_outputs(table, page)
    report: SearchReport | ModelReport | SelfReport
    version: Version | None = None
    if self_test:
        from vicinal.quality.self_test.known_items import SelfOptions, evaluate_known_items

        version = read_version(solution.metadata.state())
        self_options = SelfOptions(sample or DEFAULT_SELF_SAMPLE, seed, disturbances, table)
        report = evaluate_known_items(solution, self_options)
    elif labels or qrels is not None:
        from vicinal.quality.evaluation.searches import SearchOptions, evaluate_searches

        version = read_version(solution.metadata.state())
        parsed = Measures.parse(measures or _SEARCH_MEASURES)
        most = sample or (DEFAULT_SAMPLE if qrels is None else 2**63)
        options = SearchOptions(parsed, most, seed, table, index_recall)
        report = evaluate_searches(solution, labels, qrels, queries, options)
    else:
        from vicinal.quality.evaluation.models import ModelOptions, evaluate_models

        parsed = Measures.parse(measures or _MODEL_MEASURES)
        model_options = ModelOptions(parsed, sample or DEFAULT_SAMPLE, seed, split, search, table)
        report = evaluate_models(solution.name, _build_evaluation(solution), model_options)
    if note := solution.encoder.quality_note:
        report.warnings.insert(0, note)
    report.seconds = time.perf_counter() - started
    if keep:
        _keep_report(solution, report, version)
    if page is not None:
        write_page(page, build_report_page(solution, report))
    return report


def _keep_report(solution: Solution, report: Report, version: Version | None) -> None:
    """Keep a report for the solution's page; it gets a warning where that fails."""
    content = {"summary": describe_report(report), "findings": list_findings(report), "report": report.to_dict()}
    if isinstance(report, SelfReport):
        report.warnings += keep_report(solution, "self_test", content, version)
        return
    details = report.details.to_dict() if isinstance(report, SearchReport) and report.details else None
    report.warnings += keep_report(solution, "evaluation", {**content, "details": details}, version)


def _build_evaluation(solution: Solution) -> Evaluation:
    """
    Raises:
        PluginError: the encoder fails.
        VicinalError: it brings no evaluation.
    """
    with attribute_errors(name_encoder(solution.encoder), "build_evaluation"):
        evaluation = solution.encoder.build_evaluation(SourceItems(solution.source))
    if evaluation is None:
        raise _no_relevance_error(solution)
    return evaluation


def require_outputs(table: Path | None, page: Path | None) -> None:
    """See before the work that the per-query table and the page can be written.

    Raises:
        VicinalError: one of them cannot be written.
        DependencyError: plotly is not installed, which a page needs.
    """
    if table is not None:
        require_writable_table(table)
    if page is not None:
        require_writable(page)
        require_plotly("evaluate")


def _require_one_way(
    labels: str, qrels: str | Path | None, queries: str | Path | None, split: str, *, search: bool
) -> None:
    if labels and qrels is not None:
        raise VicinalError("labels and qrels exclude each other: both say what is relevant", "give one of them")
    if queries is not None and qrels is None:
        raise VicinalError("queries needs qrels, which says what is relevant to them", "give both, or neither")
    if (labels or qrels is not None) and (split or search):
        raise VicinalError(
            "split and search are for the evaluation that an encoder brings", "leave labels and qrels out"
        )


def _require_self_test(disturbances: Sequence[str], *, self_test: bool, others: object) -> None:
    if disturbances and not self_test:
        raise VicinalError("disturbances needs self_test, which asks them", "give both, or neither")
    if self_test and others:
        raise VicinalError(
            "self_test excludes labels, qrels, measures, split and search: each item is relevant to itself",
            "leave them out",
        )


def _no_relevance_error(solution: Solution) -> VicinalError:
    fields = ", ".join(list_fields(solution.metadata)[:20])
    return VicinalError(
        "which items are relevant to which?",
        hint="--labels FIELD takes items of equal metadata for similar"
        + (f" ({fields})" if fields else "")
        + "; --qrels FILE reads judgments; --self takes each item for its own",
    )
