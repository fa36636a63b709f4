"""Molecules: fingerprints by RDKit, compared by Tanimoto similarity; files of molecules; substructures.

The encoders are ``fingerprint`` and ``morgan``, the source is ``molecules``, the item filter ``substructure``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vicinal import hookimpl

if TYPE_CHECKING:
    from pathlib import Path

    from vicinal import Encoder, ItemFilter, Source, Suggestion
    from vicinal.plugin.registry import Registrar


@hookimpl
def register_encoders(encoders: Registrar[Encoder]) -> None:
    encoders.add(
        "fingerprint",
        "vicinal_molecule.encoders:Fingerprint",
        summary="fingerprints of molecules by kind: morgan, rdkit, atom_pair, torsion, maccs, avalon (RDKit)",
        requires=["rdkit"],
        install="vicinal[molecule]",
    )
    encoders.add(
        "morgan",
        "vicinal_molecule.encoders:Morgan",
        summary="Morgan fingerprints of molecules written as SMILES or InChI (RDKit)",
        requires=["rdkit"],
        install="vicinal[molecule]",
    )


@hookimpl
def register_sources(sources: Registrar[Source]) -> None:
    sources.add(
        "molecules",
        "vicinal_molecule.molecules:Molecules",
        summary="the molecules of a file: SMILES or InChI with names, SDF, molfile",
        requires=["rdkit"],
        install="vicinal[molecule]",
    )


@hookimpl
def register_item_filters(item_filters: Registrar[ItemFilter]) -> None:
    item_filters.add(
        "substructure",
        "vicinal_molecule.substructure:Substructure",
        summary="molecules that contain a SMARTS, as c1ccccc1",
        requires=["rdkit"],
        install="vicinal[molecule]",
    )


@hookimpl
def suggest_solution(path: Path) -> Suggestion | None:
    from vicinal_molecule.suggestion import suggest_solution as suggest

    return suggest(path)
