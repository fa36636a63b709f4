"""The source ``molecules``: files of SMILES or InChI with names, SDF, and molfiles."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator

from vicinal import Failure, Item, LocalPath, Source
from vicinal_molecule.fingerprints import is_molfile, parse_molecule, rdkit_log
from vicinal_molecule.records import Record, read_line_records, read_sdf_records
from vicinal_molecule.text_file import TruncatedFileError, estimate_count, is_gzip, read_lines

__all__ = ["LINE_SUFFIXES", "SDF_SUFFIXES", "Molecules", "get_suffix"]

LINE_SUFFIXES = (".smi", ".smiles", ".ism", ".can", ".cxsmiles", ".inchi", ".txt")
SDF_SUFFIXES = (".sdf", ".sd", ".mol", ".mdl")


def get_suffix(path: Path) -> str:
    """A file's suffix in lower case; of a gzip file the one before ``.gz``."""
    return (path.with_suffix("") if is_gzip(path) else path).suffix.lower()


def _validate_path(path: Path) -> Path:
    if get_suffix(path) not in (*LINE_SUFFIXES, *SDF_SUFFIXES):
        known = ", ".join((*LINE_SUFFIXES, *SDF_SUFFIXES))
        raise ValueError(f"a file of molecules ends in {known}, or one of them and .gz; a table is read by `table`")
    return path


class Molecules(Source["Molecules.Params"]):
    """The molecules of a file; their content is a SMILES, or as the file has it where RDKit cannot read it.

    A molecule's key is its name: in a list what follows the SMILES, in an SDF the first line of a record. One without
    a name has its number, from 1, and one whose name an earlier one has both: ``aspirin #17``.
    """

    class Params(Source.Params):
        path: Annotated[LocalPath, AfterValidator(_validate_path)]
        """The file: a list of SMILES or InChI with their names (`.smi`, `.smiles`, `.ism`, `.can`, `.cxsmiles`,
        `.inchi`, `.txt`), an SDF (`.sdf`, `.sd`) or a molfile (`.mol`, `.mdl`); each may end in `.gz`."""
        key: str | None = None
        """The property of an SDF, or the column of a list, whose values are the keys; by default the name."""

    def __iter__(self) -> Iterator[Item | Failure]:
        keys = _Keys()
        try:
            for number, record in enumerate(self._read_records(), 1):
                yield self._to_item(record, number, keys)
        except TruncatedFileError as error:
            yield Failure(self.params.path.name, "read", str(error))  # more molecules may be hidden behind it

    def count(self) -> int | None:
        """Return about how many molecules there are; None for a gzip file."""
        if get_suffix(self.params.path) in (".mol", ".mdl"):
            return 1
        return estimate_count(self.params.path, b"$$$$" if self._is_sdf else b"\n")

    @property
    def _is_sdf(self) -> bool:
        return get_suffix(self.params.path) in SDF_SUFFIXES

    def _read_records(self) -> Iterator[Record]:
        lines = read_lines(self.params.path)
        return map(_write_as_smiles, read_sdf_records(lines)) if self._is_sdf else read_line_records(lines)

    def _to_item(self, record: Record, number: int, keys: _Keys) -> Item | Failure:
        name, metadata = record.name, record.properties
        if self.params.key is not None:
            name = metadata.pop(self.params.key, "").strip()
            if not name:
                return Failure(f"record {number}", "read", f"record {number} has no {self.params.key!r} for its key")
            metadata = {"name": record.name, **metadata} if record.name else metadata
        key = keys.make(name, number)
        if self._is_sdf and not record.notation:
            return Failure(
                key, "read", f"record {number} is not a molfile: its line of counts (V2000, V3000) is missing"
            )
        return Item(key, record.notation, "", metadata)


class _Keys:
    """Makes keys of names, and tells those that occur again; it keeps 70 bytes for each."""

    def __init__(self) -> None:
        self._seen: set[int] = set()

    def make(self, name: str, number: int) -> str:
        key = name or str(number)
        seen = hash(key)
        if seen in self._seen:
            return f"{key} #{number}"
        self._seen.add(seen)
        return key


def _write_as_smiles(record: Record) -> Record:
    """Replace a molfile by its SMILES; one that RDKit cannot read stays, so that the encoder says what is wrong.

    What is no molfile at all becomes empty.
    """
    from rdkit.Chem import MolToSmiles

    if not is_molfile(record.notation):  # it might be taken for a SMILES
        record.notation = ""
        return record
    with rdkit_log():
        try:
            molecule = parse_molecule(record.notation)
            record.notation = (molecule is not None and MolToSmiles(molecule)) or record.notation
        except Exception:  # whatever RDKit raises at it, it raises in the encoder too, which says so
            return record
    return record
