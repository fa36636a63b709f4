"""How else the molecule that somebody searches with may be written: another SMILES, a salt of it, another tautomer."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from vicinal import Disturbance, ItemError
from vicinal_molecule.fingerprints import MAX_TAUTOMER_ATOMS, parse_molecule, rdkit_log
from vicinal_molecule.refusals import require_molecule_text

if TYPE_CHECKING:
    import numpy as np

__all__ = ["DISTURBANCES"]

_Rewrite: TypeAlias = "Callable[[Any, np.random.Generator], str | None]"
"""RDKit's molecule to a SMILES; None where there is no other one."""

_MAX_TAUTOMERS = 50
_MAX_SEED = 2**31 - 1


def _rewrite_molecule(rewrite: _Rewrite, content: Any, generator: np.random.Generator) -> str | None:
    """
    Raises:
        ItemError: the content is not a molecule.
    """
    text = require_molecule_text(content)
    with rdkit_log():
        try:
            molecule = parse_molecule(text)
        except Exception as error:  # RDKit's own, of an InChI or of a text that is not Unicode
            raise ItemError(f"not a molecule: {error}") from error
        if molecule is None or not molecule.GetNumAtoms():
            raise ItemError("not a molecule that RDKit reads")
        written = rewrite(molecule, generator)
    return None if written == text else written


def _write_randomly(molecule: Any, generator: np.random.Generator) -> str:
    """A SMILES of the atoms in a random order, with alternating double bonds in rings or without."""
    from rdkit.Chem import MolToRandomSmilesVect

    seed, is_kekule = int(generator.integers(1, _MAX_SEED)), bool(generator.integers(0, 2))
    [written] = MolToRandomSmilesVect(molecule, 1, seed, kekuleSmiles=is_kekule)
    return str(written)


def _write_salt(molecule: Any, _: np.random.Generator) -> str | None:
    """The sodium salt of a carboxylic acid, of anything else the hydrochloride; None of what is a salt already."""
    from rdkit.Chem import GetMolFrags, MolFromSmarts, MolToSmiles, RWMol

    if len(GetMolFrags(molecule)) > 1 or any(atom.GetFormalCharge() for atom in molecule.GetAtoms()):
        return None
    acid = molecule.GetSubstructMatch(MolFromSmarts("[CX3](=O)[OX2H1]"))
    if not acid:
        return f"{MolToSmiles(molecule)}.Cl"
    salt = RWMol(molecule)
    salt.GetAtomWithIdx(acid[2]).SetFormalCharge(-1)
    return f"{MolToSmiles(salt)}.[Na+]"


def _write_tautomer(molecule: Any, generator: np.random.Generator) -> str | None:
    """Another tautomer, of up to 50 that RDKit finds; None where there is none, or the molecule is large."""
    from rdkit.Chem import MolToSmiles
    from rdkit.Chem.MolStandardize.rdMolStandardize import TautomerEnumerator

    if molecule.GetNumAtoms() > MAX_TAUTOMER_ATOMS:
        return None
    enumerator = TautomerEnumerator()
    enumerator.SetMaxTautomers(_MAX_TAUTOMERS)
    enumerator.SetMaxTransforms(_MAX_TAUTOMERS)
    own = MolToSmiles(molecule)
    others = sorted({MolToSmiles(one) for one in enumerator.Enumerate(molecule)} - {own})
    return others[int(generator.integers(len(others)))] if others else None


_STANDARDIZE = "write `standardize: true` on the encoder, then `vicinal reindex FILE`"

DISTURBANCES = (
    Disturbance(
        "other-smiles",
        "other SMILES of the same molecules",
        partial(_rewrite_molecule, _write_randomly),
        hint="the same molecule has to have the same fingerprint, however it is written: were these items indexed by"
        " another version? run `vicinal check FILE`",
        expected=1.0,
    ),
    Disturbance("salt", "salts of molecules", partial(_rewrite_molecule, _write_salt), hint=_STANDARDIZE),
    Disturbance(
        "tautomer", "other tautomers of molecules", partial(_rewrite_molecule, _write_tautomer), hint=_STANDARDIZE
    ),
)
