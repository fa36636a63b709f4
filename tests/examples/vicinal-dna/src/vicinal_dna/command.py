"""The command ``vicinal dna-stats``."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click
from vicinal import SourceError

from vicinal_dna.fasta import DAMAGES, FastaError, describe_damage
from vicinal_dna.stats import Stats, measure


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print JSON for other programs.")
def dna_stats(file: Path, as_json: bool) -> None:
    """Count the records of a FASTA FILE, their lengths and their GC content."""
    try:
        stats = measure(file)
    except (FastaError, *DAMAGES) as error:
        reason = describe_damage(error)
        raise SourceError(f"{file}: {reason}", "a FASTA file begins with >, a name and a description") from error
    click.echo(json.dumps({"file": str(file), **asdict(stats)}) if as_json else _format(stats))


def _format(stats: Stats) -> str:
    gc = "unknown" if stats.gc is None else f"{stats.gc:.1%}"
    lines = (
        f"records     {stats.records:,}" + (f", and {stats.broken:,} broken" if stats.broken else ""),
        f"letters     {stats.letters:,}",
        f"lengths     {stats.shortest:,} to {stats.longest:,}, mean {stats.mean:,}, N50 {stats.n50:,}",
        f"GC content  {gc}",
    )
    return "\n".join(lines)
