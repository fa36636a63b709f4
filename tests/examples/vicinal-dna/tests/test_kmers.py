"""The encoder keeps every promise that vicinal relies on, and puts near what shares many k-mers."""

from pathlib import Path
from random import Random
from typing import ClassVar

import numpy as np
import pytest
from pydantic import ValidationError
from vicinal import Item, ItemError
from vicinal.testing import EncoderContract

from vicinal_dna.bases import reverse_complement
from vicinal_dna.kmers import Kmers

GENE = "".join(Random(1).choices("ACGT", k=700))
OTHER = "".join(Random(2).choices("ACGT", k=700))


class TestKmers(EncoderContract):
    encoder_class = Kmers
    params: ClassVar = {"k": 4, "window": 100, "step": 50}
    good = ("GATTACAGATTACA", GENE, OTHER, "acgu acgu", "ACGTNNNNACGT")
    bad = ("", "  ", "protein", "NNNNNNNN", "GAT", None)
    variants = ({"k": 5, "window": 100, "step": 50}, {"k": 4, "window": 100, "step": 50, "strands": "forward"})


def encode(bases: str, **params: object) -> np.ndarray:
    encoder = Kmers(Kmers.Params.model_validate({"window": 1000, **params}))
    return encoder.encode([segment.sample for segment in encoder.decode(Item("x", bases))])


@pytest.mark.parametrize(("k", "strands", "dimension"), [(2, "forward", 16), (2, "both", 10), (3, "both", 32)])
def test_both_strands_halve_the_dimension(k: int, strands: str, dimension: int) -> None:
    assert Kmers(Kmers.Params.model_validate({"k": k, "strands": strands})).space.dimension == dimension


def test_the_other_strand_is_the_same_unless_strands_differ() -> None:
    assert float(encode(GENE)[0] @ encode(reverse_complement(GENE))[0]) == pytest.approx(1.0, abs=1e-6)
    assert float(encode(GENE, strands="forward")[0] @ encode(reverse_complement(GENE), strands="forward")[0]) < 0.9


def test_the_shares_of_a_short_sequence_are_exact() -> None:
    vector = encode("AAAC", k=2, strands="forward")[0]
    assert {place: round(float(share), 4) for place, share in enumerate(vector**2) if share} == {0: 0.6667, 1: 0.3333}


def test_windows_are_segments_with_labels_and_short_excerpts() -> None:
    segments = Kmers().decode(Item("x", GENE))
    assert [segment.label for segment in segments] == [
        "bases 1 to 300",
        "bases 151 to 450",
        "bases 301 to 600",
        "bases 451 to 700",
    ]
    assert segments[1].excerpt == f"{GENE[150:210]}…"


def test_a_window_of_unknown_bases_is_left_out() -> None:
    segments = Kmers().decode(Item("x", f"{GENE[:300]}{'N' * 300}{GENE[300:600]}"))
    assert [segment.label for segment in segments] == [
        "bases 1 to 300",
        "bases 151 to 450",
        "bases 451 to 750",
        "bases 601 to 900",
    ]


def test_a_step_beyond_the_window_is_refused() -> None:
    with pytest.raises(ValidationError, match="step is longer than window"):
        Kmers.Params(window=100, step=101)


def test_a_file_is_a_query_by_its_first_record(tmp_path: Path) -> None:
    (tmp_path / "query.fa").write_text(">one\nGATTACA\n>two\nACGT\n")
    assert [segment.sample for segment in Kmers().decode_query(tmp_path / "query.fa")] == ["GATTACA"]
    with pytest.raises(ItemError, match=r"query.txt is not a FASTA file"):
        Kmers().decode_query(tmp_path / "query.txt")


def test_mutations_a_part_and_the_other_strand_are_what_they_say() -> None:
    mutated, part, strand = (one.apply(GENE, np.random.default_rng(0)) for one in Kmers().list_disturbances())
    assert isinstance(mutated, str)
    assert isinstance(part, str)
    assert sum(one != other for one, other in zip(mutated, GENE, strict=True)) == 35
    assert part in GENE
    assert len(part) == 350
    assert strand == reverse_complement(GENE)


def test_a_sequence_is_drawn_as_coloured_bars() -> None:
    drawn = Kmers().render(Item("x", "GATTACA" * 20))
    assert (drawn.kind, drawn.value.count("<rect"), drawn.value.count("#3a923a")) == ("svg", 100, 43)
    assert "<title>140 bases: GATTACAGATTACAGATTAC…</title>" in drawn.value
    assert Kmers().render(Item("x", "protein & <b>")).kind == "text"
