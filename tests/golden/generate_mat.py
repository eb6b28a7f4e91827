#!/usr/bin/env python3
"""Writes MAT-files of level 5 from their description alone ("MAT-File Format", The MathWorks): no SciPy, no NumPy.

    generate_mat.py                        the golden files, tests/golden/mat/*.mat
    generate_mat.py TRAIN VALID TEST OUT   piano-rolls in text, as assay converts them to, back to a MAT-file of doubles

The golden pieces are small and cover what a reader must know: numbers stored as double, single, int8, uint8, int16, uint16, int32,
uint32, int64 and uint64 (MATLAB stores doubles that are whole numbers in the smallest type), compressed and plain variables, small elements,
variables of other names and kinds to pass over. Written with Python 3.11, zlib level 9.
"""
import os
import struct
import sys
import zlib

INT8, UINT8, INT32, UINT32, MATRIX, COMPRESSED = 1, 2, 5, 6, 14, 15
CELL, CHAR, DOUBLE = 1, 4, 6
FORMATS = {1: "b", 2: "B", 3: "h", 4: "H", 5: "i", 6: "I", 7: "f", 9: "d", 12: "q", 13: "Q"}
KEYS = 88


def element(kind, data):
    if 0 < len(data) <= 4 and kind not in (MATRIX, COMPRESSED):
        return struct.pack("<HH", kind, len(data)) + data.ljust(4, b"\0")
    return struct.pack("<II", kind, len(data)) + data + b"\0" * (-len(data) % 8)


def array(name, kind, shape, inside):
    return element(MATRIX, element(UINT32, struct.pack("<II", kind, 0))
                   + element(INT32, struct.pack("<%di" % len(shape), *shape)) + element(INT8, name.encode()) + inside)


def roll(frames, stored):
    """A piece: its frames are lists of keys; column-major as MATLAB has it."""
    numbers = [float(key in frame) if stored in (7, 9) else int(key in frame) for key in range(KEYS) for frame in frames]
    return array("", DOUBLE, (len(frames), KEYS), element(stored, struct.pack("<%d%s" % (len(numbers), FORMATS[stored]), *numbers)))


def cells(name, pieces):
    return array(name, CELL, (1, len(pieces)), b"".join(pieces))


def packed(variable):
    data = zlib.compress(variable, 9)
    return struct.pack("<II", COMPRESSED, len(data)) + data


def write(path, *variables):
    header = b"MATLAB 5.0 MAT-file, piano-rolls for the tests of assay".ljust(124) + struct.pack("<H", 0x0100) + b"IM"
    with open(path, "wb") as f:
        f.write(header + b"".join(variables))


def golden():
    folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "mat")
    os.makedirs(folder, exist_ok=True)
    train = [roll([[39, 43, 87], [], [0]], 9), roll([[2, 3, 5, 7]], 2), roll([[11], [11, 13]], 7)]
    valid = [roll([[17 + i], [], [19 + i, 23 + i]], stored) for i, stored in enumerate((1, 3, 4, 5, 6, 12, 13))]
    test = [roll([[], [], [87]], 2)]
    other = array("tempo", DOUBLE, (1, 1), element(UINT8, b"\x71"))
    note = array("note", CHAR, (1, 3), element(4, struct.pack("<3H", *b"key")))
    write(os.path.join(folder, "plain.mat"), other, cells("traindata", train), cells("validdata", valid), cells("testdata", test))
    write(os.path.join(folder, "packed.mat"), packed(cells("testdata", test)), packed(note), packed(cells("traindata", train)),
          packed(other), packed(cells("validdata", valid)))


def back(train, valid, test, out):
    variables = []
    for name, path in (("traindata", train), ("validdata", valid), ("testdata", test)):
        with open(path) as f:
            pieces = [[[] if frame == "-" else [int(key) for key in frame.split(",")] for frame in line.split()] for line in f]
        variables.append(packed(cells(name, [roll(piece, 9) for piece in pieces])))
    write(out, *variables)


if __name__ == "__main__":
    back(*sys.argv[1:]) if len(sys.argv) > 1 else golden()
