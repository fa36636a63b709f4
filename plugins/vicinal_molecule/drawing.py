"""Draws molecules as SVG."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from vicinal_molecule.fingerprints import parse_molecule, rdkit_log

__all__ = ["draw_svg"]

_WIDTH, _HEIGHT = 300, 200


def draw_svg(text: str) -> str:
    """Draw a molecule as SVG; empty where RDKit refuses to read or to draw it."""
    from rdkit.Chem.Draw import rdMolDraw2D

    with suppress(RuntimeError, ValueError), rdkit_log():
        molecule = parse_molecule(text)
        if molecule is None:
            return ""
        drawer = rdMolDraw2D.MolDraw2DSVG(_WIDTH, _HEIGHT)
        options: Any = drawer.drawOptions()
        options.clearBackground = False
        rdMolDraw2D.PrepareAndDrawMolecule(drawer, molecule)
        drawer.FinishDrawing()
        svg: str = drawer.GetDrawingText()
        return svg[svg.index("<svg") :].replace("#000000", "currentColor").strip()
    return ""
