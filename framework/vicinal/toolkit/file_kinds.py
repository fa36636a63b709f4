"""Files that no built-in source reads as they are: what they are, and the command that makes a table of them."""

from __future__ import annotations

import json
import re
import shlex
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from vicinal.toolkit.media_types import AUDIO_SUFFIXES, IMAGE_SUFFIXES, VIDEO_SUFFIXES
from vicinal.toolkit.text_encoding import guess_encoding

__all__ = ["Advice", "advise_conversion", "json_advice"]

_HEAD_BYTES = 64 << 10


class Advice(NamedTuple):
    """What a file is, with its article, and what to do with it."""

    kind: str
    hint: str


def advise_conversion(path: Path) -> Advice | None:
    """Return what a file is and how to convert it, by its suffix and its first bytes; None for a text or a table.

    A file that does not exist is known by its suffix alone.
    """
    suffix = _get_suffix(path)
    head = _read_head(path)
    if suffix in (".json", ".geojson"):
        return json_advice(path, head)
    if suffix in _SMILES:
        return Advice("a list of SMILES with their names", _to_csv_command(path, _SMILES_SCRIPT))
    if suffix in _MOLFILES:
        return Advice("a file of molecules", _to_csv_command(path, _SDF_SCRIPT))
    for suffixes, advice in _BY_SUFFIX.items():
        if suffix in suffixes:
            return Advice(advice.kind, advice.hint.format(**_quote_names(path)))
    return _advise_by_content(path, head)


def json_advice(path: Path, head: bytes) -> Advice:
    """Return the advice for a file of JSON that begins with ``head``: an array, an object, or an object a line."""
    text = head.decode(guess_encoding(head) or "utf-8", errors="replace").lstrip("\ufeff \t\r\n")
    if not head:
        return Advice("a JSON file", "make a table of it: an object a line, in a .jsonl")
    if text.startswith("["):
        return Advice("a JSON array", _to_jsonl_command(path, "json.loads(sys.stdin.buffer.read())"))
    if not text.startswith("{"):
        return Advice("no JSON, though its name says so", "check the file, or rename it by what it is")
    if _is_object(text.partition("\n")[0]) and "\n" in text.strip():
        target = shlex.quote(f"{_strip_suffixes(path)}.jsonl{'.gz' if _is_gzip(path) else ''}")
        return Advice("JSON with an object on each line", f"rename it: mv {shlex.quote(str(path))} {target}")
    lists = re.findall(r'"([^"\\]+)"\s*:\s*\[\s*\{', text)
    name = "features" if _get_suffix(path) == ".geojson" else lists[0] if lists else "NAME"
    return Advice("a JSON object", _to_jsonl_command(path, f"json.loads(sys.stdin.buffer.read())[{name!r}]"))


def _advise_by_content(path: Path, head: bytes) -> Advice | None:
    for magic, kind in _TEXT_MAGIC.items():  # what follows may look like a text
        if head.startswith(magic):
            return Advice(kind, _EXTRACT)
    if _get_suffix(path) == ".parquet" or guess_encoding(head):
        return None
    if head.startswith(b"PK\x03\x04"):
        return _advise_zip(path)
    for magic, kind in _MAGIC.items():
        if head.startswith(magic):
            return Advice(kind, _RENAME if kind.endswith("without its suffix") else _CONVERT)
    return Advice("a binary file", _CONVERT) if b"\0" in head else None


def _advise_zip(path: Path) -> Advice:
    with suppress(OSError, zipfile.BadZipFile), zipfile.ZipFile(path) as archive:
        if any(name.startswith("xl/") for name in archive.namelist()):
            return Advice("an Excel workbook", _SPREADSHEET.format(**_quote_names(path)))
    return Advice("a zip archive", _UNPACK)


def _get_suffix(path: Path) -> str:
    """Return the suffix in lower case; for a gzip file the one before ``.gz``."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    return "".join(suffixes[:-1][-1:] if _is_gzip(path) else suffixes[-1:])


def _is_gzip(path: Path) -> bool:
    return path.suffix.lower() == ".gz"


def _read_head(path: Path) -> bytes:
    import gzip
    import zlib

    with suppress(OSError, EOFError, zlib.error), gzip.open(path) if _is_gzip(path) else path.open("rb") as stream:
        return stream.read(_HEAD_BYTES)
    return b""


def _is_object(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


def _strip_suffixes(path: Path) -> str:
    stem = path.with_suffix("") if _is_gzip(path) else path
    return str(stem.with_suffix(""))


def _quote_names(path: Path) -> dict[str, str]:
    return {
        "path": repr(str(path)),
        "csv": repr(f"{_strip_suffixes(path)}.csv"),
        "parquet": repr(f"{_strip_suffixes(path)}.parquet"),
    }


def _to_csv_command(path: Path, script: str) -> str:
    return _format_command(path, script, f"{_strip_suffixes(path)}.csv")


def _to_jsonl_command(path: Path, rows: str) -> str:
    return _format_command(
        path, f"import json, sys; [print(json.dumps(row)) for row in {rows}]", f"{_strip_suffixes(path)}.jsonl"
    )


def _format_command(path: Path, script: str, target: str) -> str:
    target = target if target != str(path) else f"{_strip_suffixes(path)}-converted{path.suffix}"
    source, target = shlex.quote(str(path)), shlex.quote(target)
    if _is_gzip(path):
        return f'make a table of it: gzip -dc {source} | python -c "{script}" > {target}'
    return f'make a table of it: python -c "{script}" < {source} > {target}'


_SMILES = (".smi", ".smiles", ".ism", ".can", ".cxsmiles")
_SMILES_SCRIPT = (
    "import csv, sys; table = csv.writer(sys.stdout); table.writerow(['name', 'smiles']);"
    " table.writerows([(line.split(None, 1)[1:] or [n])[0], line.split()[0]]"
    " for n, line in enumerate(map(str.strip, sys.stdin), 1) if line)"
)
_MOLFILES = (".sdf", ".sd", ".mol")
_SDF_SCRIPT = (
    "import csv, sys; from rdkit import Chem; table = csv.writer(sys.stdout); table.writerow(['name', 'smiles']);"
    " table.writerows([m.GetProp('_Name') or n, Chem.MolToSmiles(m)]"
    " for n, m in enumerate(Chem.ForwardSDMolSupplier(sys.stdin.buffer), 1) if m)"
)
_SPREADSHEET = (
    "save it as CSV UTF-8 in the spreadsheet, or:"
    ' python -c "import pandas; pandas.read_excel({path}).to_csv({csv}, index=False)"'
)
_PANDAS = 'make a table of it: python -c "import pandas; pandas.{reader}({{path}}).to_parquet({{parquet}})"'
_CONVERT = "convert it to csv, tsv, jsonl or parquet"
_UNPACK = "unpack it, and name what is in it"
_RENAME = "add the suffix to its name"
_MEDIA = "name the folder that holds it, which is read as a whole"
_EXTRACT = "extract its text: a line, or a row of a table, for each thing that is to be found"
_BY_SUFFIX = {
    (".pdf",): Advice("a PDF document", _EXTRACT),
    (".doc", ".docx", ".odt", ".rtf", ".pages", ".epub", ".ppt", ".pptx", ".odp"): Advice("a document", _EXTRACT),
    (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods"): Advice("a spreadsheet", _SPREADSHEET),
    (".numbers",): Advice("a spreadsheet", "save it as CSV in the spreadsheet"),
    (".feather", ".arrow", ".ipc"): Advice("an Arrow file", _PANDAS.format(reader="read_feather")),
    (".orc",): Advice("an ORC file", _PANDAS.format(reader="read_orc")),
    (".dta",): Advice("a file of Stata", _PANDAS.format(reader="read_stata")),
    (".sas7bdat", ".xpt"): Advice("a file of SAS", _PANDAS.format(reader="read_sas")),
    (".sav",): Advice("a file of SPSS", _PANDAS.format(reader="read_spss")),
    (".xml", ".html", ".htm"): Advice("a document of markup", _CONVERT),
    (".yaml", ".yml"): Advice("a YAML file", "name the data, not the config"),
    (".mol2", ".pdb", ".cif", ".xyz"): Advice("a file of structures", "convert it with Open Babel to SMILES in a csv"),
    (*IMAGE_SUFFIXES, ".svg"): Advice("a picture", _MEDIA),
    AUDIO_SUFFIXES: Advice("a sound", _MEDIA),
    VIDEO_SUFFIXES: Advice("a video", _MEDIA),
    (".zip", ".tar", ".tgz", ".7z", ".rar", ".bz2", ".xz", ".zst"): Advice("an archive", _UNPACK),
}
_TEXT_MAGIC = {b"%PDF-": "a PDF document", b"{\\rtf": "a document"}
_MAGIC = {
    b"PAR1": "a parquet file without its suffix",
    b"\x1f\x8b": "a gzip file without its suffix",
    b"ARROW1": "an Arrow file",
    b"Obj\x01": "an Avro file",
    b"SQLite format 3\0": "an SQLite database",
    b"\x89HDF": "an HDF5 file",
    b"\x93NUMPY": "a NumPy array",
    b"\xd0\xcf\x11\xe0": "an old Office document",
    b"BZh": "a bzip2 archive",
    b"\xfd7zXZ": "an xz archive",
    b"\x28\xb5\x2f\xfd": "a zstd archive",
}
