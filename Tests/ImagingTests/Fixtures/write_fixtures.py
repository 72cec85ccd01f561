"""Writes the files of this folder with the software that our users' files come from.

python3 -m venv /tmp/venv && /tmp/venv/bin/pip install tifffile imagecodecs h5py numpy
/tmp/venv/bin/python write_fixtures.py

Unless its line says otherwise, sample (page p, row y, column x, channel c) of every volume here holds
(p*50 + y*7 + x*3 + c*20) % 251, so that the tests know every value.
"""
import os

import h5py
import numpy as np

os.chdir(os.path.dirname(os.path.abspath(__file__)))


def pattern(pages, height, width, channels=None, dtype=np.uint8):
    p, y, x, c = np.ogrid[:pages, :height, :width, :channels or 1]
    values = ((p * 50 + y * 7 + x * 3 + c * 20) % 251).astype(dtype)
    return values if channels else values[..., 0]


# --- HDF5, as h5py writes it ---
with h5py.File("h5py.h5", "w", track_order=False) as f:
    f.create_dataset("volumes/raw", data=pattern(4, 20, 30), chunks=(2, 8, 16), compression="gzip", shuffle=True)
    f["volumes/raw"].attrs["resolution"] = (40.0, 4.0, 4.0)
    f["volumes/raw"].attrs["offset"] = np.array([1, 2, 3], np.int32)
    f.create_dataset("half", data=np.array([0.5, -2.0], np.float16))
    f.create_dataset("big", data=np.array([[1, 2], [3, 65535]], ">u2"))
    f.create_dataset("number", data=np.int64(-7))
    f.attrs["variable_utf8"] = "Zellgröße µm"
    f.attrs["variable_ascii"] = np.array([b"conv2d", b"dropout_1"], dtype=h5py.string_dtype("ascii"))
    f.attrs["fixed_ascii"] = np.array([b"conv2d", b"dropout_1"])
    f.attrs["space_padded"] = np.bytes_(b"x")
    f.attrs["empty"] = []
    tid = h5py.h5t.C_S1.copy()
    for name, pad in (("null_terminated", h5py.h5t.STR_NULLTERM), ("space_padded", h5py.h5t.STR_SPACEPAD)):
        tid.set_size(8)
        tid.set_strpad(pad)
        if name in f.attrs:
            del f.attrs[name]
        a = h5py.h5a.create(f.id, name.encode(), tid, h5py.h5s.create(h5py.h5s.SCALAR))
        a.write(np.array(b"abc\0\0\0\0\0" if name == "null_terminated" else b"abc     ", dtype="S8"), mtype=tid)
