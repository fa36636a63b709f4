"""The item filter ``substructure``: molecules that contain a pattern of atoms and bonds, written as SMARTS."""

from __future__ import annotations

import re
from typing import Any

from vicinal import FilterError, Item, ItemFilter
from vicinal_molecule.fingerprints import parse_molecule, rdkit_log
from vicinal_molecule.refusals import MAX_CHARS, find_text_error, strip_molecule_text

__all__ = ["Substructure"]


class Substructure(ItemFilter):
    """Keeps the molecules that contain a SMARTS, as ``c1ccccc1`` or ``C(=O)[OX2H1]``.

    It looks at a molecule as it is written, also where the encoder standardizes it. A SMARTS that tells mirror images
    or double bonds' sides apart (``@``, ``/``) asks for them.
    """

    modality = "smiles"

    def __init__(self, pattern: str) -> None:
        super().__init__(pattern)
        self._query = _parse_smarts(pattern.strip())

    def matches(self, item: Item) -> bool:
        """Whether the molecule has the pattern; one that RDKit cannot read has none."""
        if find_text_error(item.content):
            return False
        with rdkit_log():
            try:
                molecule = parse_molecule(strip_molecule_text(item.content))
                return molecule is not None and bool(molecule.HasSubstructMatch(self._query, useChirality=True))
            except Exception:  # RDKit read it when it was indexed; another version may not
                return False


def _parse_smarts(text: str) -> Any:
    from rdkit.Chem import MolFromSmarts

    if not text:
        raise FilterError("substructure: the SMARTS is empty", hint="write one as c1ccccc1")
    if len(text) > MAX_CHARS or "\0" in text or not text.isprintable():
        raise FilterError(f"substructure: a SMARTS has at most {MAX_CHARS:,} printable characters")
    with rdkit_log() as log:
        query = MolFromSmarts(text)
        if query is not None and query.GetNumAtoms():
            query.UpdatePropertyCache(False)
            return query
        messages = log.messages
    error = re.search(r"SMARTS Parse Error: (.+?)(?: while parsing: | for input: |\n)", messages)
    position = re.search(r"check for mistakes around position (\d+)", messages)
    where = f" at character {position[1]}" if position else ""
    shown = repr(text if len(text) <= 80 else f"{text[:77]}…")
    raise FilterError(
        f"substructure: not a SMARTS: {error[1] if error else 'RDKit cannot parse it'}{where}, in {shown}",
        hint="a SMARTS is written as c1ccccc1 or [CX3](=O)[OX2H1]; a SMILES is one, too",
    )
