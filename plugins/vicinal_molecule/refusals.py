"""Says why a text is no molecule, in RDKit's words where it has any."""

from __future__ import annotations

import re
from typing import Any

from vicinal import ItemError
from vicinal_molecule.fingerprints import Fingerprints, is_inchi, is_molfile, parse_molecule, rdkit_log

__all__ = ["MAX_CHARS", "explain_refusal", "find_text_error", "require_molecule_text", "strip_molecule_text"]

MAX_CHARS = 5_000
"""The longest SMILES; RDKit's time and stack grow with it, and small molecules need a few hundred at most."""
MAX_MOLFILE_CHARS = 500_000
"""The longest molfile, which has a line for each atom and each bond."""


def require_molecule_text(content: Any) -> str:
    """Return the text of an item, without the blanks around it.

    Raises:
        ItemError: it cannot be a molecule, whatever RDKit would make of it.
    """
    if error := find_text_error(content):
        raise ItemError(error)
    return strip_molecule_text(str(content))


def strip_molecule_text(content: str) -> str:
    """The text without the blanks around it; the first lines of a molfile are its header, though they be empty."""
    return content.rstrip() if is_molfile(content) else content.strip()


def find_text_error(content: Any) -> str:
    """Why RDKit is not given this content; empty where it is."""
    if not isinstance(content, str):
        return f"a SMILES is a text, not {type(content).__name__}"
    text = content.strip()
    if not text.isascii() and any("\ud800" <= char <= "\udfff" for char in text):
        return "the SMILES is not valid Unicode"
    if not any(char.isprintable() and not char.isspace() for char in text):
        return "the SMILES is empty"
    notation, limit = "SMILES", MAX_CHARS
    if len(text) > MAX_CHARS and is_molfile(text):
        notation, limit = "molfile", MAX_MOLFILE_CHARS
    if len(text) > limit:
        return f"the {notation} has {len(text):,} characters, more than {limit:,}"
    if "\0" in text:
        return "the SMILES has a NUL character, at which RDKit would truncate it"
    return ""


def explain_refusal(text: str, fingerprints: Fingerprints) -> str:
    """Say why a text has no fingerprint: an error of its notation, in RDKit's words, or of its chemistry."""
    from rdkit import Chem

    shown = _shorten_text(text)
    with rdkit_log() as log:
        molecule = parse_molecule(text, sanitize=False)
        if molecule is None:
            return f"{_explain_notation(text, log.messages)} in {shown}"
        problems = "; ".join(problem.Message() for problem in Chem.DetectChemistryProblems(molecule))
        if not (atoms := molecule.GetNumAtoms()):
            return "the molecule has no atoms"
        if not problems and atoms > fingerprints.max_atoms:
            kind = fingerprints.options.kind
            return (
                f"the molecule has {atoms:,} atoms; {kind} fingerprints take too long above {fingerprints.max_atoms:,}"
            )
        reason = problems or _find_other_problem(text, fingerprints)
    return f"not a possible molecule: {reason}, in {shown}"


def _find_other_problem(text: str, fingerprints: Fingerprints) -> str:
    """What RDKit raises where it reads the molecule, and refuses to sanitize or to standardize it."""
    try:
        molecule = parse_molecule(text)
        if molecule is not None:
            fingerprints.compute_one(molecule)
    except Exception as error:
        return str(error).strip().partition("\n")[0] or type(error).__name__
    return "RDKit cannot sanitize it"


def _explain_notation(text: str, log: str) -> str:
    """Say what a text that RDKit cannot read has in place of a SMILES, or where its error is."""
    if is_molfile(text):
        return f"not a valid molfile: {_explain_molfile(text, log)},"
    for pattern, kind in _OTHER_NOTATIONS.items():
        if re.search(pattern, text):
            return f"{kind}, not a SMILES,"
    if is_inchi(text):
        return "not a valid InChI,"
    core, bar, _ = text.partition(" |")
    if bar and _is_smiles(core):
        return f"its CXSMILES extension {_quote_excerpt(text[len(core) + 1 :])} is broken,"
    first = re.split(r"[,;|]", text, maxsplit=1)[0]
    if first != text and _is_smiles(first):
        return f"not a SMILES alone; separate {_quote_excerpt(first)} from what follows it,"
    return f"not a SMILES: {_find_syntax_error(log)}"


_OTHER_NOTATIONS = {
    r"^(?i:InChIKey=)?[A-Z]{14}-[A-Z]{10}-[A-Z]$": "an InChIKey, which does not contain the structure",
    r"\bV[23]000\b|^M  END": "a molfile without its line of counts",
    r">.*>": "a reaction",
}


def _is_smiles(text: str) -> bool:
    molecule = parse_molecule(text, sanitize=False)
    return molecule is not None and molecule.GetNumAtoms() > 0


def _quote_excerpt(text: str) -> str:
    return repr(text if len(text) <= 40 else f"{text[:37]}…")


def _find_syntax_error(log: str) -> str:
    """Extract from RDKit's log its error about the notation, without its echo of the SMILES."""
    error = re.search(r"SMILES Parse Error: (.+?)(?: while parsing: | for input: |\n)", log)
    position = re.search(r"check for mistakes around position (\d+)", log)
    what = error[1] if error else "RDKit cannot parse it"
    return f"{what} at character {position[1]}," if error and position else f"{what},"


def _explain_molfile(text: str, log: str) -> str:
    """What is wrong with a molfile; RDKit's log has it only where an element is unknown."""
    if "M  END" not in text:
        return "it has no line 'M  END'"
    violation = re.search(r"Violation\n(.+ .+)\nViolation occurred", log)
    return violation[1] if violation else "RDKit cannot parse its atoms and bonds"


def _shorten_text(text: str) -> str:
    line = text.strip()
    return repr(line if len(line) <= 80 else f"{line[:77]}…")
