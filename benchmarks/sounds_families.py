"""How often the nearest sound is of the same family: melstats against plain statistics of MFCC.

Labelled sounds come from Debian's packages, or from a folder with a folder for each family (``--folder``):

drums        hydrogen-drumkits: one sound of each name in a kit, of several strokes the middle one; a family is what
             the name says (kick, snare, tom, ...), and names that say nothing are left out. Split by kit.
instruments  fluid-soundfont-gm, timgm6mb-soundfont and musescore-general-soundfont-small, played by fluidsynth: one
             note of each program in ten families of General MIDI, at a seeded pitch. Split by program.
percussion   lmms-common's drums: for development only.
sonic-pi     sonic-pi-samples by prefix: held out only.

Each set has a development half, on which melstats was tuned, and a held-out half (``--half``). Beside melstats stand
mean and deviation of 20 MFCC by librosa with its defaults, as they are. Neighbours are by cosine among all the other
sounds of a half; the figure is the share of sounds whose nearest one is of their family (P@1), families of a single
sound left out.
"""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile

import common
from common import Results, temporary_folder

SUFFIXES = {".wav", ".flac", ".ogg", ".aif", ".aiff", ".mp3"}
DRUM_FAMILIES = {
    "rim": r"rim|stick|^rs$|click",
    "hat, open": r"(hat|hh).*(op|ring)|open|ohh|^ho$|^hho",
    "hat, closed": r"hat|hh",
    "kick": r"kick|bassdrum|^bd|_bd|hse k",
    "snare": r"snare|^sd$|_sn|^sr$|sn$",
    "tom": r"tom|^t\d?$|^ft$",
    "crash": r"crash|china|splash|^cc$",
    "ride": r"ride|^rc$|paistebell",
    "clap": r"clap|snap",
    "cowbell": r"cowbell|agogo|cb$",
    "shaker": r"shak|maraca|tambourine",
    "hand drum": r"djembe|bongo|conga|cajon|head",
    "bell": r"bell",
    "wood": r"wood|clave?s?$",
}
"""A family and the names that belong to it; the first that fits counts."""
STROKES = r"softest|soft|med|hardest|hard|normal|lite|low|mid|hi|high|mute|[\W_\d]+"
PROGRAM_FAMILIES = (
    "piano", "mallets", "organ", "guitar", "bass", "strings", "ensemble", "brass", "reed", "pipe"
)  # fmt: skip
"""General MIDI has eight programs of each."""
SOUNDFONTS = ("sf2/FluidR3_GM.sf2", "sf2/TimGM6mb.sf2", "sf3/MuseScore_General_Lite.sf3")
NOTE_SECONDS = 4


class Sound(NamedTuple):
    """A labelled sound; ``group`` is what a half holds whole or not at all: a kit, a program."""

    path: Path
    family: str
    group: str


def main() -> None:
    parser = common.create_parser(__doc__)
    parser.add_argument("--half", choices=["development", "held-out"], default="held-out", help="held-out by default")
    parser.add_argument("--root", type=Path, default=Path("/"), help="where the packages are unpacked (/)")
    parser.add_argument("--folder", type=Path, help="a folder of labelled sounds, in place of the packages")
    options = parser.parse_args()
    results = Results(options.json)
    with temporary_folder() as scratch:
        if options.folder:
            sets = [(options.folder.name, drop_single(list_by_folder(options.folder)))]
        else:
            sets = list(find_sets(options.half, options.root, scratch))
        rows = [measure(name, sounds) for name, sounds in sets]
    results.add("families", f"Nearest sound of the same family, {options.half}", rows)
    results.print()


def measure(name: str, sounds: Sequence[Sound]) -> dict[str, object]:
    """A row of the table."""
    families = np.array([sound.family for sound in sounds])
    row: dict[str, object] = {"": name, "sounds": str(len(sounds)), "families": str(len(set(families)))}
    for title, encode in (("MFCC", encode_mfcc), ("melstats", encode_melstats)):
        with ThreadPoolExecutor(common.CORES) as pool:
            vectors = np.stack(list(pool.map(encode, [sound.path for sound in sounds])))
        row[title] = f"{nearest_is_same(vectors, families).mean():.3f}"
    return row


def nearest_is_same(vectors: np.ndarray, families: np.ndarray) -> np.ndarray:
    """Whether each sound's nearest other one, by cosine, is of its family."""
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    cosines = unit @ unit.T
    np.fill_diagonal(cosines, -np.inf)
    return families[cosines.argmax(axis=1)] == families


def encode_mfcc(path: Path) -> np.ndarray:
    import librosa

    samples, rate = librosa.load(path)
    mfcc = librosa.feature.mfcc(y=samples, sr=rate, n_mfcc=20)
    return np.concatenate([mfcc.mean(axis=1), mfcc.std(axis=1)])


def encode_melstats(path: Path) -> np.ndarray:
    from vicinal import Item
    from vicinal_audio.melstats import MelStats

    encoder = MelStats()
    return encoder.encode([segment.sample for segment in encoder.decode(Item("x", path))])[0]


# --- the sets


def find_sets(half: str, root: Path, scratch: Path) -> Iterator[tuple[str, list[Sound]]]:
    """The sets of a half, each without families of a single sound."""
    share, is_held_out = root / "usr/share", half == "held-out"
    for name, sounds in (
        ("drums", list_drums(share / "hydrogen/data/drumkits")),
        ("instruments", play_programs(share / "sounds", scratch)),
    ):
        held_out = set(sorted({sound.group for sound in sounds})[1::2])
        yield name, drop_single([sound for sound in sounds if (sound.group in held_out) == is_held_out])
    if is_held_out:
        yield "sonic-pi", drop_single(list_by_prefix(share / "sonic-pi/samples"))
    else:
        yield "percussion", drop_single(list_drums(share / "lmms/samples", keep_strokes=True))


def list_by_folder(folder: Path) -> list[Sound]:
    """A folder with a folder for each family."""
    return [Sound(path, path.parent.name, "") for path in list_files(folder)]


def drop_single(sounds: Sequence[Sound]) -> list[Sound]:
    counts = Counter(sound.family for sound in sounds)
    return [sound for sound in sounds if counts[sound.family] > 1]


def list_files(folder: Path) -> list[Path]:
    """The sounds below a folder, sorted."""
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and is_audible(path))


def is_audible(path: Path) -> bool:
    """Whether a sound can be read and is not silent: kits have silent ones for a pad that does nothing."""
    try:
        return float(np.abs(soundfile.read(path)[0]).max(initial=0)) > 1e-3
    except soundfile.LibsndfileError:
        return False


def list_drums(folder: Path, keep_strokes: bool = False) -> list[Sound]:
    """The drums of each kit whose names tell their family; of the strokes of one drum the middle one."""
    strokes: dict[tuple[str, str], list[Sound]] = {}
    for path in list_files(folder):
        family = drum_family(path.stem)
        kit = path.relative_to(folder).parts[0]
        if family:
            drum = path.stem if keep_strokes else re.sub(STROKES, "", path.stem.lower())
            strokes.setdefault((kit, drum), []).append(Sound(path, family, kit))
    return [each[len(each) // 2] for each in strokes.values()]


def drum_family(stem: str) -> str | None:
    """The family that a file's name tells: ``HiHatClosed-3``, ``hhclosed_01`` and ``EE_Hat_Cl_Bs`` are closed hats."""
    name = re.sub(r"[\W_]+", " ", re.sub(r"[\W_\d]+$", "", stem.lower()))
    return next((family for family, pattern in DRUM_FAMILIES.items() if re.search(pattern, name)), None)


def list_by_prefix(folder: Path) -> list[Sound]:
    """``bd_haus.flac`` is of the family ``bd``."""
    return [Sound(path, path.stem.split("_")[0], "") for path in list_files(folder)]


def play_programs(folder: Path, scratch: Path) -> list[Sound]:
    """One note of each program of each soundfont, written as files."""
    rng = np.random.default_rng(common.SEED)
    sounds = []
    for soundfont in SOUNDFONTS:
        programs = range(8 * len(PROGRAM_FAMILIES))
        notes = [int(rng.integers(28, 44) if program // 8 == 4 else rng.integers(45, 73)) for program in programs]
        samples, rate = play_notes(folder / soundfont, notes, scratch)
        for program, start in enumerate(range(0, len(notes) * NOTE_SECONDS * rate, NOTE_SECONDS * rate)):
            path = scratch / f"{Path(soundfont).stem}-{program:03}.wav"
            soundfile.write(path, samples[start : start + NOTE_SECONDS * rate], rate)
            sounds.append(Sound(path, PROGRAM_FAMILIES[program // 8], f"{program:03}"))
    return sounds


def play_notes(soundfont: Path, notes: Sequence[int], scratch: Path) -> tuple[np.ndarray, int]:
    """Note n by program n, held for two of its four seconds, without reverberation."""
    events = b"".join(
        bytes([0x00, 0xC0, program, 0x00, 0x90, note, 100, 0x8F, 0x00, 0x80, note, 0, 0x8F, 0x00, 0xB0, 120, 0])
        for program, note in enumerate(notes)
    )  # 0x8F 0x00: 1920 ticks, two seconds at 960 a second
    track = events + b"\x00\xff\x2f\x00"
    header = b"MThd" + (6).to_bytes(4, "big") + bytes([0, 0, 0, 1, 0x01, 0xE0])  # 480 ticks a quarter, 120 a minute
    midi, wave = scratch / "notes.mid", scratch / "notes.wav"
    midi.write_bytes(header + b"MTrk" + len(track).to_bytes(4, "big") + track)
    command = ["fluidsynth", "-ni", "-q", "-R", "0", "-C", "0", "-r", "44100", "-F", wave, soundfont, midi]
    subprocess.run(command, check=True, capture_output=True)
    return soundfile.read(wave)


if __name__ == "__main__":
    main()
