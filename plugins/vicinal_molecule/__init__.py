"""The encoder ``morgan``: molecules as Morgan fingerprints by RDKit, compared by Tanimoto similarity."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vicinal import hookimpl

if TYPE_CHECKING:
    from vicinal import Encoder
    from vicinal.plugin.registry import Registrar


@hookimpl
def register_encoders(encoders: Registrar[Encoder]) -> None:
    encoders.add(
        "morgan",
        "vicinal_molecule.morgan:Morgan",
        summary="Morgan fingerprints of molecules written as SMILES or InChI (RDKit)",
        requires=["rdkit"],
        install="vicinal[molecule]",
    )
