#!/usr/bin/env python3
"""A second, strict reader of safetensors, for the test of the writer: prints what a file holds.

    python3 safetensors_read.py FILE
"""
import json
import struct
import sys

SIZES = {"BOOL": 1, "U8": 1, "I8": 1, "I16": 2, "U16": 2, "F16": 2, "BF16": 2, "I32": 4, "U32": 4, "F32": 4,
         "F64": 8, "I64": 8, "U64": 8}
CODES = {"F32": "f", "F64": "d", "I32": "i", "I64": "q", "U64": "Q", "U8": "B"}


def unique(pairs):
    assert len({k for k, _ in pairs}) == len(pairs), "a key appears twice"
    return dict(pairs)


def main(path):
    raw = open(path, "rb").read()
    (n,) = struct.unpack("<Q", raw[:8])
    text, data = raw[8:8 + n], raw[8 + n:]
    assert len(text) == n and text[:1] == b"{" and (8 + n) % 8 == 0
    assert text.rstrip(b" ")[-1:] == b"}"
    header = json.loads(text.decode("utf-8"), object_pairs_hook=unique)
    notes = header.pop("__metadata__", {})
    assert all(isinstance(v, str) for v in notes.values())
    end, last_size = 0, 8
    for name, t in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        assert set(t) == {"dtype", "shape", "data_offsets"}
        size = count = SIZES[t["dtype"]]
        for d in t["shape"]:
            count *= d
        begin, stop = t["data_offsets"]
        assert begin == end and stop - begin == count and size <= last_size
        assert count == 0 or begin % size == 0
        end, last_size = stop, size
    assert end == len(data)
    for key in sorted(notes):
        if key != "checksum":
            print("note", json.dumps(key), json.dumps(notes[key]))
    assert len(notes["checksum"]) == 32
    for name in sorted(header):
        t = header[name]
        raw = data[slice(*t["data_offsets"])]
        code = CODES.get(t["dtype"])
        values = struct.unpack("<%d%s" % (len(raw) // SIZES[t["dtype"]], code), raw) if code else raw.hex()
        print("tensor", json.dumps(name), t["dtype"], t["shape"], values)


main(sys.argv[1])
