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

from vicinal import Item, ItemError, create_manager
from vicinal.testing import EncoderContract
from vicinal_molecule.fingerprints import Helper
from vicinal_molecule.morgan import Morgan

ASPIRIN = "CC(=O)Oc1ccccc1C(=O)O"
CAFFEINE = "Cn1c(=O)c2c(ncn2C)n(C)c1=O"
L_ALANINE, D_ALANINE = "C[C@H](N)C(=O)O", "C[C@@H](N)C(=O)O"


def make(**params):
    return Morgan(Morgan.Params(**params))


def encode(smiles, **params):
    encoder = make(**params)
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
    packed = encode(molecules, bits=bits, radius=radius, chirality=chirality)
    assert np.array_equal(np.unpackbits(packed, axis=1), expected)


def test_bits_stay_as_an_earlier_rdkit_gave_them():
    """The signature leaves RDKit's version out; if this fails, raise the number in it."""
    assert np.flatnonzero(np.unpackbits(encode([ASPIRIN])[0])).tolist() == [
        *(389, 456, 650, 695, 807, 909, 1017, 1035, 1047, 1057, 1088, 1199),
        *(1380, 1410, 1447, 1468, 1616, 1729, 1750, 1775, 1873, 1917, 1970, 1991),
    ]


def test_tanimoto_of_the_bits_is_that_of_rdkit():
    first, second = np.unpackbits(encode([ASPIRIN, CAFFEINE]), axis=1)
    generator = GetMorganGenerator(radius=2, fpSize=2048)
    prints = [generator.GetFingerprint(Chem.MolFromSmiles(text)) for text in (ASPIRIN, CAFFEINE)]
    assert (first & second).sum() / (first | second).sum() == DataStructs.TanimotoSimilarity(*prints)


def test_one_molecule_in_two_notations_has_one_fingerprint():
    first, second = encode([ASPIRIN, "O=C(O)c1ccccc1OC(C)=O"])
    assert np.array_equal(first, second)


def test_mirror_images_differ_only_with_chirality():
    same, apart = encode([L_ALANINE, D_ALANINE]), encode([L_ALANINE, D_ALANINE], chirality=True)
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
        (["C"], "a SMILES is a text, not list"),
    ],
)
def test_a_refusal_says_why(smiles, reason):
    with pytest.raises(ItemError) as caught:
        make().decode(Item("m", smiles))
    assert str(caught.value) == reason


def test_rdkit_writes_nothing_to_stderr_and_keeps_its_log(capfd):
    make().decode(Item("m", "[HH]"))  # of which RDKit warns
    for text in ("CO)C", "C(C)(C)(C)(C)C"):
        with pytest.raises(ItemError):
            make().decode(Item("m", text))
    assert capfd.readouterr().err == ""
    Chem.MolFromSmiles("CO)C")
    assert "SMILES Parse Error" in capfd.readouterr().err


def test_render_draws_the_structure():
    rendering = make().render(Item("m", ASPIRIN))
    root = ElementTree.fromstring(rendering.value)
    assert rendering.kind == "svg"
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert root.get("viewBox") == "0 0 300 200"
    assert "<rect" not in rendering.value, "the ground is transparent"
    assert "currentColor" in rendering.value


def test_render_shows_what_cannot_be_drawn_as_text():
    rendering = make().render(Item("m", "not a molecule"))
    assert (rendering.kind, rendering.value) == ("text", "not a molecule")


@pytest.mark.parametrize("wrong", [{"bits": 100}, {"bits": 32}, {"bits": 16_384}, {"radius": -1}])
def test_parameters_out_of_range_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        make(**wrong)


def test_it_is_registered():
    assert create_manager().encoders.load("morgan") is Morgan


CONTENTS = ["CCO", "#C", "CN", "//", "CCC", "", "C1CC", "CCN |$a;;$|", "N#N", "*", "C\ud800"] * 60


def told(answers):
    """Each answer as the bits or the reason in it."""
    return [str(answer) if isinstance(answer, ItemError) else answer[0].sample for answer in answers]


def many(encoder):
    return told(encoder.decode_many([Item(str(number), content) for number, content in enumerate(CONTENTS)]))


def alone():
    encoder = Morgan()
    return told([encoder._decoded(Item("m", content)) for content in CONTENTS])


def warmed():
    """An encoder that has met so many that a process beside this one works for it, and that process."""
    encoder, expected = Morgan(), alone()
    helper = Helper(encoder._fingerprints.options)
    encoder._helpers.all, encoder._helpers._turns = [helper], repeat(helper)
    until = time.monotonic() + 60
    while not helper._ready:
        assert many(encoder) == expected, "while the process starts"
        assert time.monotonic() < until
    return encoder, helper, expected


def test_many_are_parsed_as_each_is_alone():
    assert many(Morgan()) == alone()
    assert sum(isinstance(each, bytes) for each in alone()) == 6 * 60


def test_a_process_beside_this_one_parses_as_each_is_alone():
    encoder, _, expected = warmed()
    assert many(encoder) == expected


def test_without_its_process_it_goes_on_and_has_another():
    encoder, helper, expected = warmed()
    first = helper._process
    first.kill()
    first.wait()
    until = time.monotonic() + 60
    while not helper._ready or helper._process is first:
        assert many(encoder) == expected
        assert time.monotonic() < until
    assert many(encoder) == expected
    assert helper._process.pid != first.pid


def test_a_process_that_cannot_start_is_not_asked_for_again():
    encoder, helper, expected = warmed()
    helper._give_up()
    helper._command = [sys.executable, "-c", "raise SystemExit(1)"]
    while not helper._useless:
        assert many(encoder) == expected
    assert many(encoder) == expected
    assert helper._process is None


def test_its_process_ends_with_the_encoder():
    encoder, helper, _ = warmed()
    process = helper._process
    del encoder, helper
    gc.collect()
    assert process.returncode == 0


def test_few_need_no_process():
    encoder = Morgan()
    many(encoder)
    assert {helper._process for helper in encoder._helpers.all} <= {None}


def test_its_process_ends_with_this_one():
    script = (
        "import os; from itertools import repeat; from vicinal import Item; "
        "from vicinal_molecule.fingerprints import Helper; from vicinal_molecule.morgan import Morgan\n"
        "morgan = Morgan()\n"
        "morgan._helpers.all = [helper := Helper((2048, 2, False))]; morgan._helpers._turns = repeat(helper)\n"
        "while not helper._ready: morgan.decode_many([Item('m', 'CCO')] * 500)\n"
        "print(helper._process.pid, flush=True); os.kill(os.getpid(), 9)"
    )
    done = subprocess.run([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    proc, until = Path("/proc", done.stdout.strip()), time.monotonic() + 30
    assert done.returncode == -9
    assert proc.name.isdecimal()
    while proc.exists() and "vicinal_molecule" in (proc / "cmdline").read_text():
        assert time.monotonic() < until
        time.sleep(0.01)
