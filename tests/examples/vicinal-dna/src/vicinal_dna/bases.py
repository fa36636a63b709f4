"""DNA as a modality: its letters, how people write it, and how it is shown."""

from __future__ import annotations

from pathlib import Path

from vicinal import ItemError, Modality, Rendering

from vicinal_dna.fasta import DAMAGES, FastaError, describe_damage, is_fasta, open_fasta, read_records

DNA = Modality("dna", label="DNA", placeholder="A sequence, as GATTACA", example="GATTACAGATTACACCGT", renders="svg")

_UNKNOWN = frozenset("RYSWKMBDHVN-")  # IUPAC: one of several bases, or a gap
_COMPLEMENT = str.maketrans("ACGTRYKMBDHV", "TGCAYRMKVHDB")
_COLORS = {"A": "#3a923a", "C": "#3274a1", "G": "#e1812c", "T": "#c03d3e"}
_MAX_BARS = 100


def parse_bases(text: object) -> str:
    """Return DNA in upper case, without white space; the U of RNA is T.

    Raises:
        ItemError: It is not DNA.
    """
    if not isinstance(text, str) or not text.strip():
        raise ItemError("there is no sequence")
    bases = "".join(text.split()).upper().replace("U", "T")
    for place, base in enumerate(bases, 1):
        if base not in _COLORS and base not in _UNKNOWN:
            raise ItemError(
                f"{base!r} at base {place:,} is not a letter of DNA", "DNA is A, C, G, T and the IUPAC codes"
            )
    return bases


def read_query(query: str | Path) -> str:
    """Return the DNA of a typed query, or that of the first record of a FASTA file.

    Raises:
        ItemError: It is not DNA, or the file cannot be read.
    """
    if isinstance(query, str):
        return parse_bases(query)
    if not is_fasta(query.name):
        raise ItemError(f"{query.name} is not a FASTA file", "its name ends in .fasta, .fa, .fasta.gz or .fa.gz")
    try:
        with open_fasta(query) as stream:
            record = next(read_records(stream), None)
    except (FastaError, *DAMAGES) as error:
        raise ItemError(f"{query.name} cannot be read: {describe_damage(error)}") from error
    if record is None or record.fault:
        raise ItemError(f"{query.name}: {record.fault if record else 'there is no record'}")
    return parse_bases(record.sequence)


def reverse_complement(bases: str) -> str:
    """Return the other strand, read in its own direction."""
    return bases.translate(_COMPLEMENT)[::-1]


def draw_bases(content: object) -> Rendering:
    """Draw the first 100 bases as coloured bars; what is not DNA is shown as text."""
    try:
        bases = parse_bases(content)
    except ItemError:
        return Rendering("text", str(content))
    bars = "".join(
        f'<rect x="{4 * place}" width="4" height="24" fill="{_COLORS.get(base, "#999999")}"/>'
        for place, base in enumerate(bases[:_MAX_BARS])
    )
    width = 4 * min(len(bases), _MAX_BARS)
    title = f"<title>{len(bases):,} bases: {bases[:20]}{'…' if len(bases) > 20 else ''}</title>"
    return Rendering("svg", f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} 24">{title}{bars}</svg>')
