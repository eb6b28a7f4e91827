#!/usr/bin/env python3
"""Golden files of the npy dataset: arrays as numpy itself writes them.

    python3 generate_npy.py        (Python 3.11, numpy 1.24.2; writes into npy/ beside itself)

Element i of every array of numbers is (37 i i - 173 i + 238) / 64, which float32 holds exactly.
"""
import io
import os
import zipfile

import numpy as np

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "npy")


def numbers(*shape):
    i = np.arange(np.prod(shape), dtype=np.float64)
    return ((37 * i * i - 173 * i + 238) / 64).reshape(shape)


def save(name, x, version=None):
    with open(os.path.join(HERE, name), "wb") as f:
        np.lib.format.write_array(f, x, version=version)


def npy(x):
    f = io.BytesIO()
    np.save(f, x)
    return f.getvalue()


def archive(name, arrays, method):
    """By zipfile with fixed dates, so that a second run gives the same bytes; otherwise as numpy.savez does it."""
    with zipfile.ZipFile(os.path.join(HERE, name), "w", method, allowZip64=True) as z:
        for key, x in arrays.items():
            info = zipfile.ZipInfo(key + ".npy", (2026, 11, 22, 0, 0, 0))
            info.compress_type = method
            with z.open(info, "w", force_zip64=True) as f:
                f.write(npy(x))


def main():
    os.makedirs(HERE, exist_ok=True)
    labels = np.array([2, 0, 1, 2, 1])
    tokens = np.array([[3, 0, 6], [1, 5, 2], [4, 4, 0], [6, 2, 1], [0, 1, 3]])
    save("f4.npy", numbers(5, 3).astype("<f4"))
    save("f8.npy", numbers(5, 3))
    save("u1.npy", np.arange(11, 26, dtype=np.uint8).reshape(5, 3))
    save("b1.npy", tokens > 2)
    save("i4.npy", tokens.astype("<i4"))
    save("i8.npy", tokens.astype("<i8"))
    save("deep.npy", numbers(5, 1, 2, 3, 1).astype("<f4"))
    save("flat.npy", numbers(5).astype("<f4"))
    save("version2.npy", numbers(5, 3).astype("<f4"), (2, 0))
    save("version3.npy", numbers(5, 3).astype("<f4"), (3, 0))
    save("labels_i8.npy", labels.astype("<i8"))
    save("labels_u1.npy", labels.astype(np.uint8).reshape(5, 1))
    save("targets.npy", numbers(5, 2))
    save("big_endian.npy", numbers(5, 3).astype(">f4"))
    save("fortran.npy", np.asfortranarray(numbers(5, 3)))
    save("objects.npy", np.array([["a", 1], ["b", None]], dtype=object))
    save("half.npy", numbers(5, 3).astype("<f2"))
    save("record.npy", np.zeros(5, dtype=[("a", "<f4"), ("b", "<i4")]))
    arrays = {"x_train": numbers(5, 3).astype("<f4"), "y_train": labels.astype("<i4"),
              "x_test": numbers(2, 3).astype("<f4"), "y_test": labels[:2].astype("<i4")}
    archive("stored.npz", arrays, zipfile.ZIP_STORED)
    archive("deflated.npz", arrays, zipfile.ZIP_DEFLATED)
    archive("single.npz", {"data": numbers(5, 3).astype("<f4")}, zipfile.ZIP_DEFLATED)
    archive("bzip2.npz", {"data": numbers(5, 3).astype("<f4")}, zipfile.ZIP_BZIP2)
    zipfile.ZIP64_LIMIT = 16  # every size and place in the fields of zip64
    archive("zip64.npz", arrays, zipfile.ZIP_DEFLATED)
    with open(os.path.join(HERE, "zip64.npz"), "r+b") as f:  # and none in the end record, as beyond 4 GiB
        f.seek(-14, os.SEEK_END)
        f.write(b"\xff" * 12)


main()
