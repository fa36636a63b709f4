"""Every kind of fingerprint: RDKit's own bits, and on both engines RDKit's own Tanimoto similarity, exactly."""

from __future__ import annotations

from functools import partial
from itertools import islice
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from pydantic import ValidationError
from rdkit import Chem, DataStructs, RDConfig
from rdkit.Avalon import pyAvalonTools
from rdkit.Chem import rdDepictor, rdFingerprintGenerator, rdMolDescriptors

from vicinal import Item, ItemError, create_manager
from vicinal.testing import EncoderContract
from vicinal_molecule.encoders import Fingerprint, Morgan

ASPIRIN, CAFFEINE = "CC(=O)Oc1ccccc1C(=O)O", "Cn1c(=O)c2c(ncn2C)n(C)c1=O"
L_ALANINE, D_ALANINE = "C[C@H](N)C(=O)O", "C[C@@H](N)C(=O)O"

KINDS = {
    "ecfp": ({"kind": "morgan"}, rdFingerprintGenerator.GetMorganGenerator(radius=2, fpSize=2048).GetFingerprint),
    "fcfp": (
        {"kind": "morgan", "features": True, "bits": 1024},
        rdFingerprintGenerator.GetMorganGenerator(
            radius=2, fpSize=1024, atomInvariantsGenerator=rdFingerprintGenerator.GetMorganFeatureAtomInvGen()
        ).GetFingerprint,
    ),
    "rdkit": ({"kind": "rdkit"}, rdFingerprintGenerator.GetRDKitFPGenerator(fpSize=2048).GetFingerprint),
    "atom_pair": ({"kind": "atom_pair"}, rdFingerprintGenerator.GetAtomPairGenerator(fpSize=2048).GetFingerprint),
    "torsion": ({"kind": "torsion"}, rdFingerprintGenerator.GetTopologicalTorsionGenerator(fpSize=2048).GetFingerprint),
    "maccs": ({"kind": "maccs"}, rdMolDescriptors.GetMACCSKeysFingerprint),
    "avalon": ({"kind": "avalon", "bits": 512}, partial(pyAvalonTools.GetAvalonFP, nBits=512)),
}
OPTIONS = {
    "counted ecfp": (
        {"kind": "morgan", "counts": True, "radius": 3},
        rdFingerprintGenerator.GetMorganGenerator(radius=3, fpSize=2048, countSimulation=True).GetFingerprint,
    ),
    "counted paths": (
        {"kind": "rdkit", "counts": True},
        rdFingerprintGenerator.GetRDKitFPGenerator(fpSize=2048, countSimulation=True).GetFingerprint,
    ),
    "pairs as bits": (
        {"kind": "atom_pair", "counts": False, "chirality": True},
        rdFingerprintGenerator.GetAtomPairGenerator(
            fpSize=2048, countSimulation=False, includeChirality=True
        ).GetFingerprint,
    ),
    "chiral torsions": (
        {"kind": "torsion", "chirality": True},
        rdFingerprintGenerator.GetTopologicalTorsionGenerator(fpSize=2048, includeChirality=True).GetFingerprint,
    ),
}


def make_encoder(**params):
    return Fingerprint(Fingerprint.Params(**params))


def encode_one(encoder, text):
    return np.unpackbits(encoder.encode([encoder.decode(Item("m", text))[0].sample])[0])


def list_bits(text, **params):
    return np.flatnonzero(encode_one(make_encoder(**params), text)).tolist()


def compare(first, second, **params):
    """Tanimoto of two molecules."""
    a, b = (encode_one(make_encoder(**params), text) for text in (first, second))
    return (a & b).sum() / (a | b).sum()


@pytest.fixture(scope="module")
def molecules():
    """500 SMILES of the National Cancer Institute, of which RDKit and every kind of fingerprint make some bit."""
    lines = Path(RDConfig.RDDataDir, "NCI", "first_5K.smi").read_text().splitlines()
    texts = dict.fromkeys(line.split()[0] for line in lines)
    return list(islice(filter(is_in_every_kind, texts), 500))


def is_in_every_kind(text):
    molecule = Chem.MolFromSmiles(text)
    return molecule is not None and all(compute(molecule).GetNumOnBits() for _, compute in KINDS.values())


class TestPaths(EncoderContract):
    encoder_class = Fingerprint
    params: ClassVar = {"kind": "rdkit"}
    good = (ASPIRIN, CAFFEINE, "CCO", "O=C=O")
    bad = ("", "not a molecule", "c1ccccc", None, "C[Xx]")
    variants = ({"kind": "rdkit", "counts": True}, {"kind": "torsion"}, {"kind": "morgan", "features": True})


class TestKeys(EncoderContract):
    encoder_class = Fingerprint
    params: ClassVar = {"kind": "maccs", "standardize": True}
    good = (ASPIRIN, CAFFEINE, "CCO", "CC(=O)[O-].[Na+]")
    bad = ("", "not a molecule", "C" * 6_000)
    variants = ({"kind": "maccs"}, {"kind": "avalon", "standardize": True})


@pytest.mark.parametrize(("params", "compute"), [*KINDS.values(), *OPTIONS.values()], ids=[*KINDS, *OPTIONS])
def test_bits_are_those_of_rdkit(molecules, params, compute):
    encoder = make_encoder(**params)
    expected = np.array([list(compute(Chem.MolFromSmiles(text))) for text in molecules], np.uint8)
    segments = encoder.decode_many([Item(text, text) for text in molecules])
    bits = np.unpackbits(encoder.encode([found[0].sample for found in segments]), axis=1)
    assert encoder.space.dimension == bits.shape[1]
    assert np.array_equal(bits[:, : expected.shape[1]], expected)
    assert not bits[:, expected.shape[1] :].any()


@pytest.mark.parametrize(
    "kind", ["ecfp", *(pytest.param(kind, marks=pytest.mark.long) for kind in KINDS if kind != "ecfp")]
)
def test_the_nearest_of_500_queries_are_those_of_rdkit(workshop, molecules, kind):
    """Each molecule is a query: the ten similarities are RDKit's ten highest, and each is that of its molecule."""
    params, compute = KINDS[kind]
    (workshop.folder / "items.csv").write_text("\n".join(["key,text", *(f"{n},{m}" for n, m in enumerate(molecules))]))
    solution = workshop.solution(kind.replace("_", "-"), encoder=to_block("fingerprint", params))
    assert solution.ingest().new == 500
    vectors = [compute(Chem.MolFromSmiles(text)) for text in molecules]
    results = solution.search(molecules, limit=10)
    for vector, hits in zip(vectors, results, strict=True):
        similarities = DataStructs.BulkTanimotoSimilarity(vector, vectors)
        found = [hit.similarity for hit in hits]
        assert found == pytest.approx([similarities[int(hit.key)] for hit in hits], abs=1e-6)
        assert found == pytest.approx(sorted(similarities, reverse=True)[: len(hits)], abs=1e-6)
        assert len(hits) == min(10, np.count_nonzero(similarities))


def test_a_least_similarity_that_molecules_have_finds_them(workshop, molecules):
    """Every similarity to the query as RDKit gives it, 1/5 among them, of which 1 - (1 - 1/5) falls short."""
    (workshop.folder / "items.csv").write_text("\n".join(["key,text", *(f"{n},{m}" for n, m in enumerate(molecules))]))
    solution = workshop.solution(encoder="{type: morgan}")
    solution.ingest()
    vectors = [KINDS["ecfp"][1](Chem.MolFromSmiles(text)) for text in molecules]
    similarities = np.array(DataStructs.BulkTanimotoSimilarity(vectors[5], vectors))
    for least in np.unique(similarities[similarities > 0])[::4]:
        found = solution.search(molecules[5], limit=500, min_similarity=float(least))
        assert {hit.key for hit in found} == {str(number) for number in np.flatnonzero(similarities >= least)}


def to_block(name, params):
    return "{type: " + name + "".join(f", {key}: {str(value).lower()}" for key, value in params.items()) + "}"


def test_bits_stay_as_an_earlier_rdkit_gave_them():
    """The signature leaves RDKit's version out; if this fails, raise the number in it."""
    assert list_bits("CCO", kind="morgan", features=True) == FROZEN["fcfp"]
    assert list_bits("CCO", kind="rdkit") == FROZEN["rdkit"]
    assert list_bits("CCO", kind="atom_pair") == FROZEN["atom_pair"]
    assert list_bits("CCCO", kind="torsion") == FROZEN["torsion"]
    assert list_bits("CCO", kind="maccs") == FROZEN["maccs"]
    assert list_bits("CCO", kind="avalon", bits=512) == FROZEN["avalon"]
    assert list_bits("CS(=O)C.[Na+].[Cl-]", kind="maccs", standardize=True) == FROZEN["standardized"]


FROZEN = {
    "fcfp": [0, 3, 805, 1085, 2041],
    "rdkit": [562, 1183, 1308, 1339, 1728, 1772],
    "atom_pair": [1404, 1596, 1916],
    "torsion": [828],
    "maccs": [82, 109, 114, 139, 153, 155, 157, 160, 164],
    "avalon": [42, 67, 198, 222, 262, 334, 479, 490],
    "standardized": [40, 49, 51, 61, 67, 74, 86, 88, 93, 102, 124, 148, 149, 160, 164],
}


def test_signatures_tell_fingerprints_apart_and_morgan_is_one_of_them():
    signatures = [make_encoder(**params).signature for params, _ in (*KINDS.values(), *OPTIONS.values())]
    assert len({*signatures, make_encoder(standardize=True).signature}) == len(signatures) + 1
    assert (
        make_encoder(kind="morgan").signature == Morgan().signature == "morgan/rdkit-1/bits=2048/radius=2/chirality=0"
    )
    assert make_encoder(kind="maccs").signature == "maccs/rdkit-1"
    assert make_encoder(kind="torsion").signature == "torsion/rdkit-1/bits=2048/chirality=0/counts"
    assert make_encoder(kind="torsion", counts=True).signature == make_encoder(kind="torsion").signature


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"kind": "maccs", "bits": 1024}, "bits has no effect with kind: maccs; remove it"),
        ({"kind": "rdkit", "radius": 3}, "radius has no effect with kind: rdkit; remove it"),
        ({"kind": "torsion", "features": True}, "features has no effect with kind: torsion; remove it"),
        ({"kind": "avalon", "counts": True}, "counts has no effect with kind: avalon; remove it"),
        ({"kind": "rdkit", "chirality": True}, "chirality has no effect with kind: rdkit; remove it"),
        ({"kind": "ecfp4"}, "Input should be 'morgan', 'rdkit', 'atom_pair', 'torsion', 'maccs' or 'avalon'"),
        ({"bits": 100}, "Input should be a multiple of 8"),
    ],
)
def test_parameters_that_do_nothing_are_refused(params, message):
    with pytest.raises(ValidationError, match=message):
        make_encoder(**params)


def test_both_encoders_are_registered():
    encoders = create_manager().encoders
    assert (encoders.load("fingerprint"), encoders.load("morgan")) == (Fingerprint, Morgan)


def test_features_see_two_halogens_as_one():
    assert compare("Clc1ccccc1", "Brc1ccccc1", features=True) == 1.0
    assert compare("Clc1ccccc1", "Brc1ccccc1") < 0.6


def test_counts_tell_chains_by_their_length():
    assert compare("C" * 10, "C" * 20, kind="morgan") == 1.0
    assert compare("C" * 10, "C" * 20, kind="morgan", counts=True) < 1.0


# --- standardized


SAME_WHEN_STANDARDIZED = [
    ("CS(=O)C", "C[S+]([O-])C"),
    ("C[N+](=O)[O-]", "CN(=O)=O"),
    ("Oc1ccccn1", "O=c1cccc[nH]1"),
    ("CC(=O)CC(C)=O", "CC(O)=CC(C)=O"),
    ("Nc1nc2[nH]cnc2c(=O)[nH]1", "Nc1nc(O)c2nc[nH]c2n1"),
    ("CC(=O)[O-].[Na+]", "CC(=O)O"),
    ("CC(=O)O[Na]", "CC(=O)O"),
    ("CCN.Cl", "CCN"),
    ("C[NH3+].[Cl-]", "CN"),
    ("N[C@@H](C)C(=O)O", "[NH3+][C@@H](C)C(=O)[O-]"),
]


@pytest.mark.parametrize(("first", "second"), SAME_WHEN_STANDARDIZED)
def test_standardized_salts_tautomers_and_charges_are_one_molecule(first, second):
    assert compare(first, second, standardize=True) == 1.0
    assert compare(first, second) < 1.0 or "N+" in first  # RDKit reads both nitro groups alike


def test_a_standardized_query_finds_the_same_molecule(lite):
    rows = "\n".join(f"{number},{text}" for number, (text, _) in enumerate(SAME_WHEN_STANDARDIZED))
    (lite.folder / "items.csv").write_text(f"key,text\n{rows}\n{len(SAME_WHEN_STANDARDIZED)},{CAFFEINE}\n")
    solution = lite.solution(encoder="{type: morgan, standardize: true}")
    assert solution.ingest().failed == 0
    for text, query in SAME_WHEN_STANDARDIZED:
        best = [hit.content for hit in solution.search(query, limit=2) if hit.similarity == 1.0]
        assert text in best, query


def test_standardizing_keeps_mirror_images_apart_where_chirality_is_asked_for():
    assert compare(L_ALANINE, D_ALANINE, standardize=True) == 1.0
    assert compare(L_ALANINE, D_ALANINE, standardize=True, chirality=True) < 1.0
    assert compare(L_ALANINE, "C[C@H]([NH3+])C(=O)[O-]", standardize=True, chirality=True) == 1.0


def test_standardizing_makes_no_noise(capfd):
    encoder = make_encoder(standardize=True)
    for text in ("CC(=O)O[Na]", "[Na+].[Cl-]", "[H][H]", "C[N](C)(C)C", "*", "[U]", "[CH3]", "F[P-](F)(F)(F)(F)F"):
        encoder.decode_many([Item("m", text)])
    assert capfd.readouterr() == ("", "")


# --- what is odd

ODD = (
    *("[#0]", "*", "c1ccccc1[*]", "[CH3]", "[H]", "[H][H]", "[U]", "[Fe]C", "[Na+].[Cl-]", "C~C", "CC>>CC", "[!C]"),
    *("C" * 1_500, "C1CC1.c1ccccc1.O", "[R1]C"),
)


@pytest.mark.parametrize("kind", [*KINDS, "standardized"])
@pytest.mark.parametrize("text", ODD)
def test_odd_molecules_have_a_fingerprint_or_a_reason(kind, text, capfd):
    encoder = make_encoder(**({"standardize": True} if kind == "standardized" else KINDS[kind][0]))
    try:
        assert len(encoder.decode(Item("m", text))[0].sample) * 8 == encoder.space.dimension
    except ItemError as error:
        assert str(error)
    assert capfd.readouterr() == ("", "")


def test_molecules_that_would_take_minutes_are_refused():
    with pytest.raises(ItemError, match=r"1,500 atoms; atom_pair fingerprints take too long above 1,000"):
        make_encoder(kind="atom_pair").decode(Item("m", "C" * 1_500))


# --- molfiles


def test_molfiles_are_read_as_the_smiles_of_the_same_molecule():
    molecule = Chem.MolFromSmiles(L_ALANINE)
    rdDepictor.Compute2DCoords(molecule)
    encoder = make_encoder(chirality=True)
    for block in (Chem.MolToMolBlock(molecule), Chem.MolToV3KMolBlock(molecule), Chem.MolToMolBlock(molecule).strip()):
        assert np.array_equal(encode_one(encoder, block), encode_one(encoder, L_ALANINE))
        assert encoder.render(Item("m", block)).kind == "svg"


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("M  END", "", "not a valid molfile: it has no line 'M  END', in"),
        (" O  ", " Xx ", "not a valid molfile: Element 'Xx' not found, in"),
        ("  3  2  0", "  9  2  0", "not a valid molfile: RDKit cannot parse its atoms and bonds, in"),
        ("  1  2  1", "  1  9  1", "not a valid molfile: RDKit cannot parse its atoms and bonds, in"),
    ],
)
def test_broken_molfiles_are_refused_with_a_reason(old, new, reason, capfd):
    block = Chem.MolToMolBlock(Chem.MolFromSmiles("CCO"))
    assert old in block
    with pytest.raises(ItemError) as caught:
        make_encoder().decode(Item("m", block.replace(old, new, 1)))
    assert str(caught.value).startswith(reason)
    assert capfd.readouterr() == ("", "")
