"""The tools: what each takes, within which bounds, what it does, and what it returns for programs and for readers.

No tool takes a path: a query is a text or the key of an indexed item, whatever its words say.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from vicinal.errors import ConfigError, NothingIndexedError, VicinalError
from vicinal.mcp.access import AnySolution, SolutionAccess
from vicinal.search.typed_query import describe_modalities
from vicinal.toolkit.text import shorten
from vicinal.types import Hit, SearchRequest, SearchResult

__all__ = ["Answer", "Toolbox", "UnknownToolError"]

_MAX_QUERY_CHARS = 10_000
_MAX_KEY_CHARS = 1_024
_MAX_LIMIT = 100
_MAX_EXAMPLES = 32
_MAX_SUGGESTIONS = 5
_MAX_CONTENT_CHARS = 20_000
"""Of an item's content; a model of language reads no more at once."""
_MAX_SHOWN_CHARS = 500
"""Of a hit's content, and of each value of its metadata, in the text for readers."""


_FILTER = 'A condition over the fields of the solution, as a Milvus expression: `year > 2000 and topic == "index"`.'
Limit = Annotated[int, Field(ge=1, le=_MAX_LIMIT, description="How many items to find.")]
Filter = Annotated[str, Field(max_length=_MAX_QUERY_CHARS, description=_FILTER)]
MinSimilarity = Annotated[
    float, Field(ge=-1e38, le=1e38, allow_inf_nan=False, description="Items of a lower similarity are left out.")
]
Diversity = Annotated[
    float,
    Field(
        ge=0, le=1, description="How much items shall differ from each other: 0, not considered, to 1, nothing else is."
    ),
]
Key = Annotated[
    str, Field(min_length=1, max_length=_MAX_KEY_CHARS, description="The key of an item, as a search returns it.")
]
Query = Annotated[str, Field(min_length=1, max_length=_MAX_QUERY_CHARS)]
Examples = Annotated[list[Query], Field(max_length=_MAX_EXAMPLES)]


class _Arguments(BaseModel):
    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


class _OfSolution(_Arguments):
    solution: str
    """The name of the solution; `list_solutions` lists them."""


class _Search(_OfSolution):
    query: Query | None = None
    """What to look for: words, or the notation that the solution reads; `list_solutions` says which. `@` and the key of
    an item finds others like it; begin a text with `\\@` for @. It may be left out where `like` has an example."""
    like: Examples = Field(default_factory=list)
    """Examples of what to find, each as a query."""
    unlike: Examples = Field(default_factory=list)
    """Examples of what not to find, each as a query; they need a query or an example in `like`."""
    limit: Limit = 10
    filter: Filter = ""
    min_similarity: MinSimilarity | None = None
    """Items of a lower similarity are left out."""
    diversity: Diversity = 0.0

    @model_validator(mode="after")
    def _require_query(self) -> Self:
        if self.query is None and not self.like:
            raise ValueError("give a query, or an example in `like`")
        return self


class _MoreLikeThis(_OfSolution):
    key: Key
    limit: Limit = 10
    filter: Filter = ""
    min_similarity: MinSimilarity | None = None
    """Items of a lower similarity are left out."""
    diversity: Diversity = 0.0


class _GetItem(_OfSolution):
    key: Key


class UnknownToolError(VicinalError):
    """No tool has this name."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a tool returns: JSON for programs, and a short text."""

    data: Mapping[str, Any]
    text: str


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool: its name, what it does, the class of its arguments, and the method that does it."""

    name: str
    description: str
    arguments: type[_Arguments]
    run: Callable[[Toolbox, Any], Answer]


class Toolbox:
    """The tools over a few solutions. Its methods block, and may be called by several threads."""

    tools: ClassVar[Sequence[Tool]]

    def __init__(self, files: Sequence[Path]) -> None:
        """
        Raises:
            ConfigError: a YAML file is invalid, or two solutions have one name.
        """
        self._solutions: dict[str, SolutionAccess] = {}
        for file in files:
            access = SolutionAccess(file)
            if access.config.name in self._solutions:
                raise ConfigError(f"two solutions are named {access.config.name!r}", hint="rename one of them")
            self._solutions[access.config.name] = access

    @property
    def names(self) -> list[str]:
        """The names of the solutions."""
        return list(self._solutions)

    def close(self) -> None:
        """Disconnect from all stores."""
        for access in self._solutions.values():
            access.close()

    def describe_arguments(self, tool: Tool) -> dict[str, Any]:
        """The JSON Schema of a tool's arguments; where there is one solution, it need not be named."""
        schema = tool.arguments.model_json_schema()
        schema.pop("title")
        for value in schema["properties"].values():
            value.pop("title", None)
        if "solution" in schema["properties"]:
            schema["properties"]["solution"]["enum"] = self.names
            if len(self.names) == 1:
                schema["properties"]["solution"]["default"] = self.names[0]
                schema["required"] = [name for name in schema["required"] if name != "solution"]
        return schema

    def call(self, name: str, arguments: Mapping[str, Any]) -> Answer:
        """Run a tool.

        Raises:
            UnknownToolError: there is none of this name.
            VicinalError: the arguments are not those that it takes, or what the solution raises.
        """
        tool = next((tool for tool in self.tools if tool.name == name), None)
        if tool is None:
            known = ", ".join(tool.name for tool in self.tools)
            raise UnknownToolError(f"no tool is named {name[:100]!r}", hint=f"the tools are {known}")
        if "solution" in tool.arguments.model_fields and len(self.names) == 1:
            arguments = {"solution": self.names[0], **arguments}
        elif "solution" in tool.arguments.model_fields and "solution" not in arguments:
            raise VicinalError("solution: Field required", hint=f"the solutions: {', '.join(self.names)}")
        try:
            parsed = tool.arguments.model_validate(arguments)
        except ValidationError as error:
            raise VicinalError(_describe_problems(error), hint=f"see the input schema of {name}") from error
        return tool.run(self, parsed)

    # --- the tools

    def list_solutions(self, _: _Arguments) -> Answer:
        solutions = [self._describe_solution(name, access) for name, access in self._solutions.items()]
        lines = [f"{one['name']}: {one['error'] if 'error' in one else _describe_solution(one)}" for one in solutions]
        return Answer({"solutions": solutions}, "\n".join(lines))

    def search(self, arguments: _Search) -> Answer:
        like, unlike = tuple(arguments.like), tuple(arguments.unlike)
        return self._answer_search(arguments, arguments.query, like=like, unlike=unlike)

    def more_like_this(self, arguments: _MoreLikeThis) -> Answer:
        return self._answer_search(arguments, f"@{arguments.key}")

    def get_item(self, arguments: _GetItem) -> Answer:
        record = self._find_solution(arguments.solution).call(lambda solution: solution.get_record(arguments.key))
        content = record.content
        data = {
            "solution": arguments.solution,
            "key": record.key,
            "uri": record.uri,
            "content": None if content is None else content[:_MAX_CONTENT_CHARS],
            "is_truncated": content is not None and len(content) > _MAX_CONTENT_CHARS,
            "metadata": record.metadata,
        }
        shown = [content[:_MAX_CONTENT_CHARS] if content is not None else record.uri]
        shown += [f"{name}: {value}" for name, value in record.metadata.items()]
        return Answer(data, "\n".join([record.key, *shown]))

    def status(self, arguments: _OfSolution) -> Answer:
        data = self._find_solution(arguments.solution).call(lambda solution: solution.status())
        index = (data.get("index") or {}).get("type", "none")
        text = f"{data['solution']}: {data['items']:,} items, {data['rows']:,} vectors, {data['failures']:,} failures"
        return Answer(data, f"{text}, index {index}, last change {data.get('updated') or 'never'}")

    # --- parts of them

    def _find_solution(self, name: str) -> SolutionAccess:
        if (access := self._solutions.get(name)) is None:
            raise VicinalError(f"no solution is named {name[:100]!r}", hint=f"the solutions: {', '.join(self.names)}")
        return access

    def _answer_search(
        self,
        arguments: _Search | _MoreLikeThis,
        query: str | None,
        *,
        like: tuple[str, ...] = (),
        unlike: tuple[str, ...] = (),
    ) -> Answer:
        name = arguments.solution
        request = SearchRequest(
            query,
            arguments.limit,
            arguments.filter,
            like=like,
            unlike=unlike,
            min_similarity=arguments.min_similarity,
            diversity=arguments.diversity,
        )
        result: SearchResult = self._find_solution(name).call(lambda solution: solution.search_typed(request))
        asked = str(request.query or ", ".join(map(str, request.like)))
        text = "\n".join(map(_describe_hit, result)) or f"nothing found for {shorten(asked, 100)!r}"
        return Answer(result.to_dict(name), text)

    def _describe_solution(self, name: str, access: SolutionAccess) -> dict[str, Any]:
        """What a client has to know of a solution; its ``error`` where its stores cannot be reached."""

        def read(solution: AnySolution) -> dict[str, Any]:
            modalities = solution.modalities
            return {
                "items": solution.status()["items"],
                "search_by": describe_modalities(modalities),
                "takes_text": any(modality.input == "text" for modality in modalities),
                "examples": [modality.example for modality in modalities if modality.example],
                "placeholders": [modality.placeholder for modality in modalities if modality.placeholder],
                "suggestions": _suggest_queries(solution),
            }

        data = {"name": name, "encoder": access.config.encoder.type, "fields": dict(access.config.fields)}
        try:
            return data | access.call(read)
        except VicinalError as error:
            return data | {"error": str(error), "hint": error.hint}


Toolbox.tools = (
    Tool(
        "list_solutions",
        "List the collections that can be searched, what each is searched with, and the fields for filters.",
        _Arguments,
        Toolbox.list_solutions,
    ),
    Tool(
        "search",
        "Find the items of a collection that are most similar to a query, or like some examples and unlike others, "
        "best first. What a query is, and so what similar means, depends on the collection: `list_solutions` says what "
        "each is searched with, with examples. Similarity rises with nearness.",
        _Search,
        Toolbox.search,
    ),
    Tool(
        "more_like_this",
        "Find the items that are most similar to an indexed item, itself left out.",
        _MoreLikeThis,
        Toolbox.more_like_this,
    ),
    Tool("get_item", "Get an item's whole content and its metadata by its key.", _GetItem, Toolbox.get_item),
    Tool("status", "Count a collection's items, vectors and failures; name its index.", _OfSolution, Toolbox.status),
)


def _describe_problems(error: ValidationError) -> str:
    """A line for each argument that is wrong, without its value."""
    return "; ".join(
        f"{'.'.join(map(str, detail['loc']))[:100] or 'arguments'}: {detail['msg'].removeprefix('Value error, ')}"
        for detail in error.errors(include_input=False, include_url=False)
    )


def _describe_solution(described: Mapping[str, Any]) -> str:
    fields = ", ".join(f"{name} {type_}" for name, type_ in described["fields"].items()) or "none"
    placeholders, examples = (
        "; ".join(described["placeholders"]),
        ", ".join(dict.fromkeys([*described["suggestions"], *described["examples"]])),
    )
    ways = described["search_by"] + (f" ({placeholders})" if placeholders else "")
    shown = f"; queries, for example: {examples}" if examples else ""
    return f"{described['items']:,} items, searched by {ways}{shown}; fields for filters: {fields}"


def _suggest_queries(solution: AnySolution) -> list[str]:
    """A few queries that the encoder suggests; none where it suggests nothing, or nothing is indexed yet."""
    try:
        return solution.suggest_queries("", _MAX_SUGGESTIONS)
    except NothingIndexedError:
        return []


def _describe_hit(hit: Hit) -> str:
    """A hit in a few lines, as a card of the terminal."""
    score = "" if hit.score is None else f", score {hit.score:.3f}"
    note = f" ({hit.note})" if hit.note else ""
    values = {name: str(value) for name, value in hit.metadata.items()}
    lines = [
        f"{hit.rank}. {hit.key}: similarity {hit.similarity:.3f}{score}{note}",
        *filter(None, (_describe_place(hit), hit.excerpt if hit.excerpt is not None else hit.uri)),
        *(f"{name}: {value}" for name, value in values.items()),
    ]
    return "\n   ".join(shorten(line, _MAX_SHOWN_CHARS) for line in lines)


def _describe_place(hit: Hit) -> str:
    """Which part of the item was found."""
    segment = hit.segment or {}
    if segment.get("label"):
        return str(segment["label"])
    return "" if segment.get("start") is None else f"from {segment['start']:.1f} to {segment['end']:.1f} s"
