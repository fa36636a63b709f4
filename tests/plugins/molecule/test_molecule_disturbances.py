"""How else a molecule may be written: other SMILES of it are always found, salts and tautomers after standardizing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from rdkit import Chem, RDConfig

from vicinal import Item, ItemError
from vicinal_molecule.disturbances import DISTURBANCES
from vicinal_molecule.encoders import Morgan

ASPIRIN = "CC(=O)Oc1ccccc1C(=O)O"
BY_NAME = {disturbance.name: disturbance for disturbance in DISTURBANCES}


def disturb(name, text, seed=0):
    return BY_NAME[name].apply(text, np.random.default_rng(seed))


def encode(text, **params):
    encoder = Morgan(Morgan.Params(**params))
    return encoder.decode(Item("m", text))[0].sample


def test_other_smiles_are_of_the_same_molecule():
    written = {disturb("other-smiles", ASPIRIN, seed) for seed in range(20)}
    assert len(written) > 10
    assert {Chem.CanonSmiles(one) for one in written} == {Chem.CanonSmiles(ASPIRIN)}
    assert any("c" in one for one in written)
    assert any("c" not in one for one in written)
    assert disturb("other-smiles", "C") is None
    assert BY_NAME["other-smiles"].expected == 1.0


def test_other_smiles_have_the_same_fingerprint():
    lines = Path(RDConfig.RDDataDir, "NCI", "first_5K.smi").read_text().splitlines()[:300]
    texts = [text for text in (line.split()[0] for line in lines) if Chem.MolFromSmiles(text)]
    written = [disturb("other-smiles", text, number) for number, text in enumerate(texts)]
    other = [text for text, new in zip(texts, written, strict=True) if new and encode(new) != encode(text)]
    assert other == []
    assert sum(new is not None for new in written) > 250


@pytest.mark.parametrize(
    ("text", "salt"),
    [
        (ASPIRIN, "CC(=O)Oc1ccccc1C(=O)[O-].[Na+]"),
        ("CCN", "CCN.Cl"),
        ("CCN.Cl", None),
        ("[NH4+]", None),
    ],
)
def test_salts(text, salt):
    assert disturb("salt", text) == salt


def test_a_tautomer_is_another_one():
    tautomer = disturb("tautomer", "CC(=O)CC(C)=O")
    assert Chem.CanonSmiles(tautomer) != Chem.CanonSmiles("CC(=O)CC(C)=O")
    assert disturb("tautomer", "CCO") is None


@pytest.mark.parametrize(("name", "text"), [("salt", ASPIRIN), ("salt", "CCN"), ("tautomer", "CC(=O)CC(C)=O")])
def test_standardized_they_are_the_same(name, text):
    assert encode(disturb(name, text), standardize=True) == encode(text, standardize=True)
    assert encode(disturb(name, text)) != encode(text)


@pytest.mark.parametrize("content", ["not a molecule", "", 7, "C(C)(C)(C)(C)C", "InChI=1S/XX"])
def test_what_is_no_molecule_is_refused(content):
    for name in BY_NAME:
        with pytest.raises(ItemError):
            disturb(name, content)
