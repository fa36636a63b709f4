"""The sources keep every promise that vicinal relies on; what is broken is a failure in its place."""

import gzip
import zipfile
from pathlib import Path

import pytest
from vicinal import Failure, Item, SourceError
from vicinal.testing import SourceContract

from vicinal_dna.sources import Fasta, FastaArchive, FastaParams

GENES = ">one the first gene\nGATT\nACA\n>two\nacgt\n\n>three a third\nTTTT\n"
BROKEN = (
    ">good fine\nGATTACA\n"
    ">digits not letters\nGAT7\n"
    ">empty\n"
    ">\nACGT\n"
    ">long too long\nGATTACAGATTACA\n"
    ">last fine\nACGT\n"
)


def read(source: Fasta | FastaArchive) -> list[tuple[str, str]]:
    """What a source yields: each key with its content, or with the reason of its failure."""
    return [(each.key, str(each.content) if isinstance(each, Item) else each.message) for each in source]


def write_zip(path: Path, **members: str) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in members.items():
            archive.writestr(f"{name}.fa", text)
    return path


def damage(path: Path, text: str) -> None:
    """Change the bytes of a stored member, so that its checksum is wrong."""
    path.write_bytes(path.read_bytes().replace(text.encode(), text.lower().encode()))


class TestFasta(SourceContract):
    def make_source(self, tmp_path: Path) -> Fasta:
        path = tmp_path / "genes.fasta"
        path.write_text(GENES)
        return Fasta(FastaParams(path=path))


class TestFastaArchive(SourceContract):
    def make_source(self, tmp_path: Path) -> FastaArchive:
        return FastaArchive(FastaParams(path=write_zip(tmp_path / "genes.zip", b=GENES, a=GENES)))


def test_a_record_is_an_item_under_its_name(tmp_path: Path) -> None:
    (tmp_path / "genes.fa").write_text(GENES)
    first = next(iter(Fasta(FastaParams(path=tmp_path / "genes.fa"))))
    assert isinstance(first, Item)
    assert (first.key, first.content) == ("one", "GATTACA")
    assert first.metadata == {"description": "the first gene", "length": 7}
    assert first.uri == (tmp_path / "genes.fa").as_uri() + "#one"


def test_a_compressed_file_is_read_as_the_file_itself(tmp_path: Path) -> None:
    (tmp_path / "genes.fa.gz").write_bytes(gzip.compress(GENES.encode()))
    assert read(Fasta(FastaParams(path=tmp_path / "genes.fa.gz"))) == [
        ("one", "GATTACA"),
        ("two", "ACGT"),
        ("three", "TTTT"),
    ]


def test_descriptions_can_be_the_contents(tmp_path: Path) -> None:
    (tmp_path / "genes.fa").write_text(GENES)
    source = Fasta(FastaParams(path=tmp_path / "genes.fa", content="description"))
    assert read(source) == [("one", "the first gene"), ("two", ""), ("three", "a third")]


def test_broken_and_nameless_records_are_failures(tmp_path: Path) -> None:
    (tmp_path / "genes.fa").write_text(BROKEN)
    assert read(Fasta(FastaParams(path=tmp_path / "genes.fa", max_bases=10))) == [
        ("good", "GATTACA"),
        ("digits", "'7' is not a letter of a sequence"),
        ("empty", "the record has no sequence"),
        ("record 4", "the record has no name after its >"),
        ("long", "the sequence has 14 letters; max_bases is 10"),
        ("last", "ACGT"),
    ]


def test_a_damaged_file_hides_items_and_a_broken_record_does_not(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "genes.zip", a=BROKEN, b="no FASTA\n")
    failures = [entry for entry in FastaArchive(FastaParams(path=path)) if isinstance(entry, Failure)]
    assert [failure.key for failure in failures if not failure.hides_items] == [
        "a.fa/digits",
        "a.fa/empty",
        "a.fa/record 4",
    ]
    assert [failure.key for failure in failures if failure.hides_items] == ["b.fa"]


@pytest.mark.parametrize("text", ["GATTACA\n", "key,text\n1,2\n"])
def test_what_is_not_fasta_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "genes.fa").write_text(text)
    with pytest.raises(SourceError, match="not FASTA"):
        read(Fasta(FastaParams(path=tmp_path / "genes.fa")))


def test_a_cut_off_gz_file_ends_the_run(tmp_path: Path) -> None:
    (tmp_path / "genes.fa.gz").write_bytes(gzip.compress(GENES.encode())[:-12])
    with pytest.raises(SourceError, match="cannot be read"):
        read(Fasta(FastaParams(path=tmp_path / "genes.fa.gz")))


def test_a_file_that_is_missing_is_refused(tmp_path: Path) -> None:
    for source in (Fasta, FastaArchive):
        with pytest.raises(SourceError, match="cannot be read"):
            read(source(FastaParams(path=tmp_path / "no.fa")))


def test_an_archive_holds_the_records_of_all_its_fasta_files(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "genes.zip", b=">x\nAC\n", a=">x\nGT\n>y\nTT\n")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("README.txt", "not a sequence")
    assert read(FastaArchive(FastaParams(path=path))) == [("a.fa/x", "GT"), ("a.fa/y", "TT"), ("b.fa/x", "AC")]


def test_a_damaged_member_is_one_failure_and_the_others_are_read(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "genes.zip", a=">x\nAC\n", b=">y\nGATTACA\n>z\nAC\n", c="no FASTA\n", d=">w\nTT\n")
    damage(path, "GATTACA")
    assert read(FastaArchive(FastaParams(path=path))) == [
        ("a.fa/x", "AC"),
        ("b.fa", "Bad CRC-32 for file 'b.fa'"),
        ("c.fa", "it is not FASTA: its first line does not begin with >"),
        ("d.fa/w", "TT"),
    ]


def test_a_long_line_is_read_in_pieces(tmp_path: Path) -> None:
    (tmp_path / "genes.fa").write_text(f">long\n{'ACGT' * 50_000}\n>short\nAC\n")
    found = dict(read(Fasta(FastaParams(path=tmp_path / "genes.fa"))))
    assert (len(found["long"]), found["short"]) == (200_000, "AC")
