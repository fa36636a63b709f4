"""Files of vectors: what each format holds is read as it was written, and what is wrong with one is said."""

from __future__ import annotations

import os
import struct
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from vicinal.errors import DependencyError, SourceError
from vicinal.toolkit.vector_files import open_vectors

ROWS = np.arange(60, dtype=np.float32).reshape(10, 6) - 3.5


def write_vecs(path, rows, kind):
    head = struct.pack("<i", rows.shape[1])
    path.write_bytes(b"".join(head + row.astype(kind).tobytes() for row in rows))
    return path


def write_bin(path, rows, kind):
    path.write_bytes(struct.pack("<II", *rows.shape) + rows.astype(kind).tobytes())
    return path


def write_npy(path, rows):
    np.save(path, rows)
    return path


def write_hdf5(path, rows, **options):
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "w") as file:
        file.create_dataset("train", data=rows, **options)
    return path


def write_parquet(path, column, row_group_size=None):
    table = pa.table({"name": [f"n{number}" for number in range(len(column))], "emb": column})
    parquet.write_table(table, path, row_group_size=row_group_size)
    return path


def as_lists(rows, kind=None):
    return pa.array([row.tolist() for row in rows], kind or pa.list_(pa.float32()))


WRITERS = {
    "x.npy": lambda path: write_npy(path, ROWS),
    "fortran.npy": lambda path: write_npy(path, np.asfortranarray(ROWS)),
    "big-endian.npy": lambda path: write_npy(path, ROWS.astype(">f4")),
    "x.fvecs": lambda path: write_vecs(path, ROWS, "<f4"),
    "X.FBIN": lambda path: write_bin(path, ROWS, "<f4"),
    "x.hdf5": lambda path: write_hdf5(path, ROWS),
    "compressed.h5": lambda path: write_hdf5(path, ROWS.astype(">f4"), chunks=(3, 2), compression="gzip"),
    "x.parquet": lambda path: write_parquet(path, as_lists(ROWS), row_group_size=3),
    "fixed.parquet": lambda path: write_parquet(path, as_lists(ROWS, pa.list_(pa.float32(), 6)), row_group_size=4),
    "large.parquet": lambda path: write_parquet(path, as_lists(ROWS, pa.large_list(pa.float32()))),
}


@pytest.mark.parametrize("name", WRITERS)
def test_every_format_gives_the_rows_that_were_written(tmp_path, name):
    with open_vectors(WRITERS[name](tmp_path / name)) as file:
        assert (file.count, file.dimension, file.dtype, file.kind) == (10, 6, np.dtype(np.float32), "float")
        for start, stop in ((0, 10), (2, 5), (7, 99), (0, 1), (4, 4), (10, 12), (1, 9)):
            rows = file.read(start, stop)
            assert rows.tolist() == ROWS[start:stop].tolist(), (start, stop)
            assert rows.dtype == np.float32
            assert rows.flags.c_contiguous and rows.flags.writeable
            assert rows.shape[1] == 6
        assert [block.tolist() for block in file.iter_blocks(4)] == [ROWS[n : n + 4].tolist() for n in (0, 4, 8)]
        with pytest.raises(ValueError, match="-1"):
            file.read(-1, 3)


@pytest.mark.parametrize("name", WRITERS)
def test_threads_may_read_at_once(tmp_path, name):
    with open_vectors(WRITERS[name](tmp_path / name)) as file, ThreadPoolExecutor(4) as threads:
        read = threads.map(lambda start: file.read(start, start + 2).tolist(), [8, 0, 4, 2, 6] * 20)
        assert list(read) == [ROWS[start : start + 2].tolist() for start in [8, 0, 4, 2, 6] * 20]


def test_other_numbers_keep_their_type(tmp_path):
    rows = np.arange(24).reshape(4, 6)
    for path, dtype in (
        (write_vecs(tmp_path / "a.bvecs", rows, "u1"), np.uint8),
        (write_vecs(tmp_path / "a.ivecs", rows, "<i4"), np.int32),
        (write_bin(tmp_path / "a.u8bin", rows, "u1"), np.uint8),
        (write_bin(tmp_path / "a.i8bin", rows, "i1"), np.int8),
        (write_npy(tmp_path / "a.npy", rows.astype(np.float16)), np.float16),
        (write_npy(tmp_path / "b.npy", rows.astype(">i8")), np.int64),
        (write_npy(tmp_path / "f.npy", np.asfortranarray(rows.astype(">f8"))), np.float64),
        (write_hdf5(tmp_path / "a.h5", rows.astype(np.int16)), np.int16),
        (write_parquet(tmp_path / "a.parquet", as_lists(rows, pa.list_(pa.int64()))), np.int64),
        (write_parquet(tmp_path / "b.parquet", as_lists(rows.astype(np.float16), pa.list_(pa.float16()))), np.float16),
    ):
        with open_vectors(path) as file:
            assert (file.dtype, file.kind, file.dimension) == (np.dtype(dtype), "float", 6)
            assert file.read(1, 3).tolist() == rows[1:3].tolist()
            assert file.read(1, 3).dtype == file.dtype


def test_bits_are_packed(tmp_path):
    bits = np.array([[1, 0, 0, 0, 0, 0, 0, 1, 1, 0], [0, 0, 0, 0, 0, 0, 0, 0, 0, 1]], bool)
    packed = [[0b10000001, 0b10000000], [0, 0b01000000]]
    fixed = pa.array([bytes(row) for row in packed], pa.binary(2))
    paths = [
        write_npy(tmp_path / "a.npy", bits),
        write_npy(tmp_path / "f.npy", np.asfortranarray(bits)),
        write_hdf5(tmp_path / "a.h5", bits),
        write_parquet(tmp_path / "a.parquet", fixed),
    ]
    for path in paths:
        with open_vectors(path) as file:
            assert (file.count, file.dimension, file.dtype, file.kind) == (2, 16, np.dtype(np.uint8), "binary")
            assert file.read(0, 2).tolist() == packed
            assert file.read(1, 9).tolist() == packed[1:]
    path = write_parquet(tmp_path / "b.parquet", pa.array([None, *map(bytes, packed)], pa.binary()))
    with open_vectors(path, "emb") as file:
        assert (file.dimension, file.kind) == (16, "binary")
        assert file.read(1, 3).tolist() == packed
    with pytest.raises(SourceError, match="0 columns of vectors"):  # bytes of any length may be pictures
        open_vectors(path)


def test_a_file_may_have_no_rows(tmp_path):
    none = np.zeros((0, 6), np.float32)
    for path in (
        write_npy(tmp_path / "a.npy", none),
        write_bin(tmp_path / "a.fbin", none, "<f4"),
        write_hdf5(tmp_path / "a.h5", none),
        write_parquet(tmp_path / "a.parquet", as_lists(none, pa.list_(pa.float32(), 6))),
    ):
        with open_vectors(path) as file:
            assert (file.count, file.dimension) == (0, 6)
            assert file.read(0, 10).shape == (0, 6)
            assert list(file.iter_blocks()) == []


def test_nan_and_infinity_are_read_as_they_are(tmp_path):
    with open_vectors(write_npy(tmp_path / "a.npy", np.array([[np.nan, np.inf]], np.float32))) as file:
        assert np.array_equal(file.read(0, 1), [[np.nan, np.inf]], equal_nan=True)


# --- what is wrong


def damaged_files(folder):
    """Each with what its error has to say."""
    fvecs, npy = (
        write_vecs(folder / "a.fvecs", ROWS, "<f4").read_bytes(),
        write_npy(folder / "a.npy", ROWS).read_bytes(),
    )
    fbin, parquet_ = (
        write_bin(folder / "a.fbin", ROWS, "<f4").read_bytes(),
        write_parquet(folder / "a.parquet", as_lists(ROWS)).read_bytes(),
    )
    hdf5 = write_hdf5(folder / "a.h5", ROWS).read_bytes()
    yield "empty.fvecs", b"", "is empty"
    yield "short.bvecs", b"\1\0", "is truncated"
    yield "cut.fvecs", fvecs[:-1], "truncated or damaged: its 279 bytes are not a multiple of the 28"
    yield "other.fvecs", b"\x93NUMPY and whatever else", "cannot hold"
    yield "zero.fvecs", bytes(16), "dimension 0"
    yield "empty.fbin", b"", "truncated"
    yield "cut.fbin", fbin[:-4], "its header says 10 rows of dimension 6, which are 248 bytes, and the file has 244"
    yield "long.u8bin", struct.pack("<II", 2, 3) + bytes(7), "14 bytes, and the file has 15"
    yield "huge.i8bin", struct.pack("<II", 2**32 - 1, 2**32 - 1) + bytes(7), "4,294,967,295 rows"
    yield "flat.fbin", struct.pack("<II", 2, 0), "dimension 0"
    yield "empty.npy", b"", "is not a file that `numpy.save` wrote"
    yield "text.npy", b"0.1,0.2\n" * 9, "is not a file that `numpy.save` wrote"
    yield "cut.npy", npy[:-4], "truncated: 368 bytes were saved, and the file has 364"
    yield "header.npy", npy[:20], "is not a file that `numpy.save` wrote"
    yield "text.parquet", b"name,emb\n", "is not a parquet file"
    yield "cut.parquet", parquet_[:-9], "is not a parquet file"
    yield "text.h5", b"name,emb\n", "is not an HDF5 file"
    yield "cut.hdf5", hdf5[: len(hdf5) // 2], "is not an HDF5 file, or it is damaged"


def test_a_damaged_file_is_refused_and_closed(tmp_path):
    open_files = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    for name, content, reason in damaged_files(tmp_path):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(SourceError) as error:
            open_vectors(tmp_path / name)
        assert reason in str(error.value), name
        assert name in str(error.value)
    assert len(os.listdir("/proc/self/fd")) <= open_files  # noqa: PTH208


class Trap:
    def __reduce__(self):
        return print, ("unpickled",)


@pytest.mark.parametrize(
    ("array", "reason"),
    [
        (np.array([Trap(), None]), "holds Python objects, which are not read"),
        (np.array([["a", "b"]]), "holds <U1, not numbers"),
        (np.array([[1j]]), "holds complex128"),
        (np.zeros(3, [("x", "f4")]), "not numbers"),
        (np.zeros((2, 3), np.longdouble), "not numbers"),
        (np.zeros(7, np.float32), "is an array of 7 numbers, not a table of vectors"),
        (np.zeros((2, 3, 4)), "has the shape (2, 3, 4)"),
        (np.zeros((3, 0)), "has the shape (3, 0)"),
        (np.float32(1), "has the shape ()"),
    ],
)
def test_an_array_that_is_no_table_of_numbers_is_refused(tmp_path, array, reason):
    np.save(tmp_path / "a.npy", array, allow_pickle=True)
    with pytest.raises(SourceError) as error:
        open_vectors(tmp_path / "a.npy")
    assert reason in str(error.value)


def test_rows_of_another_dimension_are_found_when_they_are_read(tmp_path):
    path = write_vecs(tmp_path / "a.fvecs", ROWS, "<f4")
    data = bytearray(path.read_bytes())
    data[28 * 7 : 28 * 7 + 4] = struct.pack("<i", 5)
    path.write_bytes(data)
    with open_vectors(path) as file:
        assert file.read(0, 7).tolist() == ROWS[:7].tolist()
        with pytest.raises(SourceError, match="row 7 has the dimension 5, those before 6"):
            file.read(4, 10)


def test_a_file_that_shrinks_while_it_is_read_is_an_error(tmp_path):
    path = write_npy(tmp_path / "a.npy", np.repeat(ROWS, 1_000, axis=0))
    with open_vectors(path) as file:
        os.truncate(path, 100_000)
        assert file.read(0, 1).tolist() == ROWS[:1].tolist()
        with pytest.raises(SourceError, match="ends before its last row"):
            file.read(0, 10_000)


def test_bad_rows_of_parquet_are_named_and_the_others_read(tmp_path):
    column = pa.array([None, [1.0, 2.0], [3.0], [4.0, None], [], [5.0, 6.0]], pa.list_(pa.float32()))
    for kind in (pa.list_(pa.float32()), pa.list_(pa.int32())):
        path = write_parquet(tmp_path / "a.parquet", column.cast(kind), row_group_size=2)
        with open_vectors(path, "emb") as file:
            rows, problems = file.read_valid(0, 6)
            assert rows.tolist() == [[0, 0], [1, 2], [0, 0], [0, 0], [0, 0], [5, 6]]
            assert dict(problems) == {
                0: "is null",
                2: "has 1 numbers, the first vector 2",
                3: "has a null among its numbers",
                4: "has 0 numbers, the first vector 2",
            }
            assert file.read(1, 2).tolist() == [[1, 2]]
            with pytest.raises(SourceError, match=r"a.parquet: row 2 has 1 numbers"):
                file.read(1, 6)
    fixed = pa.array([[1.0, 2.0], None, [3.0, None], [5.0, 6.0]], pa.list_(pa.float32(), 2))
    with open_vectors(write_parquet(tmp_path / "b.parquet", fixed)) as file:
        assert file.read_valid(0, 4)[0].tolist() == [[1, 2], [0, 0], [0, 0], [5, 6]]
        assert dict(file.read_valid(1, 4)[1]) == {1: "is null", 2: "has a null among its numbers"}


def test_what_an_old_pyarrow_cannot_read_names_the_version_that_can(tmp_path, monkeypatch):
    def iter_parts(_):
        raise pa.ArrowInvalid("Expected all lists to be of size=2 but index 2 had size=0")
        yield

    with open_vectors(write_parquet(tmp_path / "a.parquet", as_lists(ROWS[:2]))) as file:
        monkeypatch.setattr(file, "_iter_parts", iter_parts)
        with pytest.raises(SourceError, match="row 0 cannot be read") as raised:
            file.read(0, 2)
    assert "pyarrow 26" in raised.value.hint


def test_a_column_is_chosen_where_there_are_several(tmp_path):
    table = pa.table({"id": [1, 2], "title": as_lists(ROWS[:2]), "body": as_lists(ROWS[2:4, :3])})
    parquet.write_table(table, tmp_path / "a.parquet")
    with open_vectors(tmp_path / "a.parquet", "body") as file:
        assert file.read(0, 2).tolist() == ROWS[2:4, :3].tolist()
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["train"], file["sets/test"], file["flat"] = ROWS, ROWS[:2], ROWS[0]
    with open_vectors(tmp_path / "a.h5", "/sets/test") as file:
        assert file.count == 2
    for name, column, reason in (
        ("a.parquet", "", "has 2 columns of vectors; its columns are id, title, body"),
        ("a.parquet", "boddy", "has no column 'boddy'"),
        ("a.parquet", "id", "the column 'id' holds int64, not lists of numbers"),
        ("a.h5", "", "has 2 datasets of vectors"),
        ("a.h5", "train2", "has no dataset 'train2'"),
        ("a.h5", "flat", "the dataset 'flat' has the shape (6,)"),
    ):
        with pytest.raises(SourceError) as error:
            open_vectors(tmp_path / name, column)
        assert reason in str(error.value)
    with pytest.raises(SourceError, match=r"a .npy file has no columns"):
        open_vectors(write_npy(tmp_path / "a.npy", ROWS), "emb")


def test_a_list_column_without_a_vector_is_refused(tmp_path):
    with pytest.raises(SourceError, match="the column 'emb' has no vector in it"):
        open_vectors(write_parquet(tmp_path / "a.parquet", pa.array([None, []], pa.list_(pa.float32()))))


def test_a_missing_file_a_folder_and_an_unknown_format(tmp_path):
    (tmp_path / "folder.npy").mkdir()
    for suffix in ("npy", "fvecs", "fbin", "h5", "parquet"):
        with pytest.raises(SourceError, match="there is no file"):
            open_vectors(tmp_path / f"none.{suffix}")
    with pytest.raises(SourceError, match=r"folder.npy cannot be read: Is a directory"):
        open_vectors(tmp_path / "folder.npy")
    with pytest.raises(SourceError, match=r"vectors are read from .npy, .fvecs"):
        open_vectors(tmp_path / "a.npz")


def test_hdf5_without_its_package_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(DependencyError) as error:
        open_vectors(tmp_path / "a.h5")
    assert error.value.hint == 'pip install "vicinal[vectors]"'
