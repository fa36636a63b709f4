"""Morgan fingerprints: bit for bit those of RDKit, and refusals in words."""

from __future__ import annotations

import gc
import subprocess
import sys
import time
from itertools import repeat
from pathlib import Path
from typing import ClassVar
from xml.etree import ElementTree

import numpy as np
import pytest
from rdkit import Chem, DataStructs, RDConfig
from rdkit.Chem.rdFingerprintGenerator import GetMorganGenerator

from vicinal import Encoder, Item, ItemError, create_manager
from vicinal.testing import EncoderContract
from vicinal_molecule.encoders import Morgan
from vicinal_molecule.workers import Worker

ASPIRIN = "CC(=O)Oc1ccccc1C(=O)O"
CAFFEINE = "Cn1c(=O)c2c(ncn2C)n(C)c1=O"
L_ALANINE, D_ALANINE = "C[C@H](N)C(=O)O", "C[C@@H](N)C(=O)O"


def make_morgan(**params):
    return Morgan(Morgan.Params(**params))


def encode_smiles(smiles, **params):
    encoder = make_morgan(**params)
    return encoder.encode([encoder.decode(Item("m", text))[0].sample for text in smiles])


@pytest.fixture(scope="module")
def molecules():
    """SMILES of the National Cancer Institute that RDKit ships and can read."""
    lines = Path(RDConfig.RDDataDir, "NCI", "first_5K.smi").read_text().splitlines()[:800]
    return [line.split()[0] for line in lines if Chem.MolFromSmiles(line.split()[0]) is not None]


class TestMorgan(EncoderContract):
    encoder_class = Morgan
    good = (ASPIRIN, CAFFEINE, "CCO", "O=C=O", f"  {L_ALANINE} ")
    bad = ("", "  ", "not a molecule", "c1ccccc", "C(C)(C)(C)(C)C", "C" * 6_000, "CC\0O", None, 7)
    variants = ({"bits": 512}, {"radius": 3}, {"chirality": True})


class TestFewBits(EncoderContract):
    encoder_class = Morgan
    params: ClassVar = {"bits": 64, "radius": 1, "chirality": True}
    good = (ASPIRIN, CAFFEINE, L_ALANINE, D_ALANINE)
    bad = ("",)


@pytest.mark.parametrize(
    ("bits", "radius", "chirality"), [(2048, 2, False), (512, 3, False), (1024, 2, True), (64, 0, False)]
)
def test_bits_are_those_of_rdkit(molecules, bits, radius, chirality):
    generator = GetMorganGenerator(radius=radius, fpSize=bits, includeChirality=chirality)
    expected = np.array([list(generator.GetFingerprint(Chem.MolFromSmiles(text))) for text in molecules], np.uint8)
    packed = encode_smiles(molecules, bits=bits, radius=radius, chirality=chirality)
    assert np.array_equal(np.unpackbits(packed, axis=1), expected)


def test_bits_stay_as_an_earlier_rdkit_gave_them():
    """The signature leaves RDKit's version out; if this fails, raise the number in it."""
    assert np.flatnonzero(np.unpackbits(encode_smiles([ASPIRIN])[0])).tolist() == [
        *(389, 456, 650, 695, 807, 909, 1017, 1035, 1047, 1057, 1088, 1199),
        *(1380, 1410, 1447, 1468, 1616, 1729, 1750, 1775, 1873, 1917, 1970, 1991),
    ]


def test_tanimoto_of_the_bits_is_that_of_rdkit():
    first, second = np.unpackbits(encode_smiles([ASPIRIN, CAFFEINE]), axis=1)
    generator = GetMorganGenerator(radius=2, fpSize=2048)
    prints = [generator.GetFingerprint(Chem.MolFromSmiles(text)) for text in (ASPIRIN, CAFFEINE)]
    assert (first & second).sum() / (first | second).sum() == DataStructs.TanimotoSimilarity(*prints)


def test_one_molecule_in_two_notations_has_one_fingerprint():
    first, second = encode_smiles([ASPIRIN, "O=C(O)c1ccccc1OC(C)=O"])
    assert np.array_equal(first, second)


@pytest.mark.parametrize(
    "text",
    [
        "InChI=1S/C2H6O/c1-2-3/h3H,2H2,1H3",
        "InChI=1/C2H6O/c1-2-3/h3H,2H2,1H3",
        "inchi=1S/C2H6O/c1-2-3/h3H,2H2,1H3",
        "1S/C2H6O/c1-2-3/h3H,2H2,1H3",
        "  InChI=1S/C2H6O/c1-2-3/h3H,2H2,1H3 ethanol\n",
        "CCO ethanol",
        "CCO\tethanol, pure\t46.07",
        "CCO |$a;;$|",
    ],
)
def test_inchi_and_names_after_it_are_read(text):
    assert np.array_equal(encode_smiles([text]), encode_smiles(["CCO"]))
    assert make_morgan().render(Item("m", text)).kind == "svg"


def test_bits_of_an_inchi_are_those_of_rdkit(molecules):
    inchis = [Chem.MolToInchi(Chem.MolFromSmiles(text)) for text in molecules[:200]]
    generator = GetMorganGenerator(radius=2, fpSize=2048)
    expected = np.array([list(generator.GetFingerprint(Chem.MolFromInchi(inchi))) for inchi in inchis], np.uint8)
    assert np.array_equal(np.unpackbits(encode_smiles(inchis), axis=1), expected)


def test_mirror_images_differ_only_with_chirality():
    same, apart = encode_smiles([L_ALANINE, D_ALANINE]), encode_smiles([L_ALANINE, D_ALANINE], chirality=True)
    assert np.array_equal(*same)
    assert not np.array_equal(*apart)


@pytest.mark.parametrize(
    ("smiles", "reason"),
    [
        ("", "the SMILES is empty"),
        ("not a molecule", "not a SMILES: syntax error at character 3, in 'not a molecule'"),
        ("CO)C", "not a SMILES: extra close parentheses at character 3, in 'CO)C'"),
        ("c1ccccc", "not a SMILES: unclosed ring, in 'c1ccccc'"),
        (
            "C(C)(C)(C)(C)C",
            "not a possible molecule: Explicit valence for atom # 0 C, 5, is greater than permitted,"
            " in 'C(C)(C)(C)(C)C'",
        ),
        ("c1cccc1", "not a possible molecule: Can't kekulize mol.  Unkekulized atoms: 0 1 2 3 4, in 'c1cccc1'"),
        ("C" * 5_001, "the SMILES has 5,001 characters, more than 5,000"),
        ("\u200b\ufeff", "the SMILES is empty"),
        ("C\ud800", "the SMILES is not valid Unicode"),
        ("[C@SP9]", "not a SMILES: Invalid chiral specification on atom 0, in '[C@SP9]'"),
        ("CCO |$a;;", "its CXSMILES extension '|$a;;' is broken, in 'CCO |$a;;'"),
        ("CCO |SgD:1:a:b:c|", "its CXSMILES extension '|SgD:1:a:b:c|' is broken, in 'CCO |SgD:1:a:b:c|'"),
        ("InChI=1S/xx", "not a valid InChI, in 'InChI=1S/xx'"),
        (
            "InChI=1S/CH5/h1H5",
            "not a possible molecule: Explicit valence for atom # 0 C, 5, is greater than permitted,"
            " in 'InChI=1S/CH5/h1H5'",
        ),
        (
            "LFQSCWFLJHTTHZ-UHFFFAOYSA-N",
            "an InChIKey, which does not contain the structure, not a SMILES, in 'LFQSCWFLJHTTHZ-UHFFFAOYSA-N'",
        ),
        ("CCO>>CC=O", "a reaction, not a SMILES, in 'CCO>>CC=O'"),
        ("CCO,ethanol", "not a SMILES alone; separate 'CCO' from what follows it, in 'CCO,ethanol'"),
        (
            "x\n  RDKit  2D\n\n  1  0 V2000\nM  END",
            "not a valid molfile: RDKit cannot parse its atoms and bonds,"
            " in 'x\\n  RDKit  2D\\n\\n  1  0 V2000\\nM  END'",
        ),
        (["C"], "a SMILES is a text, not list"),
    ],
)
def test_a_refusal_says_why(smiles, reason):
    with pytest.raises(ItemError) as caught:
        make_morgan().decode(Item("m", smiles))
    assert str(caught.value) == reason


BROKEN = (
    *("CO)C", "C(C)(C)(C)(C)C", "[C@SP9]", "[C@OH99]", "InChI=1S/xx", "InChI=1S/CH5/h1H5", "InChI="),
    *("CCO |$a;;", "CCO |", "CCO |foo|", "CCO |SgD:1:a:b:c|", "CCO |SgD:|", "CCO |LN:0:1.3|", "CCO |H:1|", "C |(1,2|"),
)


def test_rdkit_writes_nothing_to_stderr_and_keeps_its_log(capfd):
    make_morgan().decode(Item("m", "[HH]"))  # of which RDKit warns
    for text in BROKEN:
        with pytest.raises(ItemError, match=r"(not|broken).*, in '"):
            make_morgan().decode(Item("m", text))
        assert make_morgan().render(Item("m", text)).kind == "text"
        assert isinstance(make_morgan().decode_many([Item("m", text)])[0], ItemError)
    assert capfd.readouterr() == ("", "")
    Chem.MolFromSmiles("CO)C")
    assert "SMILES Parse Error" in capfd.readouterr().err


def test_render_draws_the_structure():
    rendering = make_morgan().render(Item("m", ASPIRIN))
    root = ElementTree.fromstring(rendering.value)
    assert rendering.kind == "svg"
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert root.get("viewBox") == "0 0 300 200"
    assert "<rect" not in rendering.value, "the ground is transparent"
    assert "currentColor" in rendering.value


def test_render_shows_what_cannot_be_drawn_as_text():
    rendering = make_morgan().render(Item("m", "not a molecule"))
    assert (rendering.kind, rendering.value) == ("text", "not a molecule")


@pytest.mark.parametrize("wrong", [{"bits": 100}, {"bits": 32}, {"bits": 16_384}, {"radius": -1}])
def test_parameters_out_of_range_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        make_morgan(**wrong)


def test_it_is_registered():
    assert create_manager().encoders.load("morgan") is Morgan


CONTENTS = ["CCO", "#C", "CN", "//", "CCC", "", "C1CC", "CCN |$a;;$|", "N#N", "*", "C\ud800"] * 60


def describe_results(results):
    """Each result as its fingerprint or its reason."""
    return [str(result) if isinstance(result, ItemError) else result[0].sample for result in results]


def decode_all(encoder):
    return describe_results(
        encoder.decode_many([Item(str(number), content) for number, content in enumerate(CONTENTS)])
    )


def decode_each():
    return describe_results(Encoder.decode_many(Morgan(), [Item("m", content) for content in CONTENTS]))


def start_worker():
    """An encoder whose one worker has started, that worker, and the expected results."""
    encoder, expected = Morgan(), decode_each()
    worker = Worker(encoder._fingerprints.options)
    encoder._workers.workers, encoder._workers._round_robin = [worker], repeat(worker)
    until = time.monotonic() + 60
    while not worker._ready:
        assert decode_all(encoder) == expected, "while the process starts"
        assert time.monotonic() < until
    return encoder, worker, expected


def test_decode_many_equals_decode_of_each():
    assert decode_all(Morgan()) == decode_each()
    assert sum(isinstance(each, bytes) for each in decode_each()) == 6 * 60


def test_a_worker_equals_decode_of_each():
    encoder, _, expected = start_worker()
    assert decode_all(encoder) == expected


def test_a_killed_worker_is_replaced():
    encoder, worker, expected = start_worker()
    first = worker._process
    first.kill()
    first.wait()
    until = time.monotonic() + 60
    while not worker._ready or worker._process is first:
        assert decode_all(encoder) == expected
        assert time.monotonic() < until
    assert decode_all(encoder) == expected
    assert worker._process.pid != first.pid


def test_a_worker_that_cannot_start_is_not_started_again():
    encoder, worker, expected = start_worker()
    worker._discard_process()
    worker._command = [sys.executable, "-c", "raise SystemExit(1)"]
    while not worker._cannot_start:
        assert decode_all(encoder) == expected
    assert decode_all(encoder) == expected
    assert worker._process is None


def test_a_worker_exits_when_its_encoder_is_collected():
    encoder, worker, _ = start_worker()
    process = worker._process
    del encoder, worker
    gc.collect()
    assert process.returncode == 0


def test_few_molecules_start_no_worker():
    encoder = Morgan()
    decode_all(encoder)
    assert {worker._process for worker in encoder._workers.workers} <= {None}


def test_a_worker_exits_when_its_parent_is_killed():
    script = (
        "import os; from itertools import repeat; from vicinal import Item; "
        "from vicinal_molecule.workers import Worker; from vicinal_molecule.encoders import Morgan\n"
        "morgan = Morgan()\n"
        "pool, worker = morgan._workers, Worker(morgan._fingerprints.options)\n"
        "pool.workers, pool._round_robin = [worker], repeat(worker)\n"
        "while not worker._ready: morgan.decode_many([Item('m', 'CCO')] * 500)\n"
        "print(worker._process.pid, flush=True); os.kill(os.getpid(), 9)"
    )
    done = subprocess.run([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    proc, until = Path("/proc", done.stdout.strip()), time.monotonic() + 30
    assert done.returncode == -9
    assert proc.name.isdecimal()
    while proc.exists() and "vicinal_molecule" in (proc / "cmdline").read_text():
        assert time.monotonic() < until
        time.sleep(0.01)
