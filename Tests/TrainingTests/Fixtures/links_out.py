"""links_out.py FOLDER FILE RAW: HDF5 files in FOLDER that lead to /raw of FILE, or to the bytes of RAW."""
import sys

import h5py
import numpy

folder, other, raw = sys.argv[1:]
with h5py.File(f"{folder}/external.h5", "w") as file:
    file["raw"] = h5py.ExternalLink(other, "/raw")
    file["group"] = h5py.ExternalLink(other, "/")
with h5py.File(f"{folder}/soft.h5", "w") as file:
    file["group"] = h5py.ExternalLink(other, "/")
    file["raw"] = h5py.SoftLink("/group/raw")
with h5py.File(f"{folder}/raw.h5", "w") as file:
    file.create_dataset("raw", (2, 4, 4), dtype="u1", external=[(raw, 0, 32)])
with h5py.File(f"{folder}/virtual.h5", "w") as file:
    layout = h5py.VirtualLayout((2, 4, 4), dtype="u1")
    layout[...] = h5py.VirtualSource(other, "raw", shape=(2, 4, 4))
    file.create_virtual_dataset("raw", layout)
with h5py.File(f"{folder}/own.h5", "w") as file:
    file["part"] = numpy.arange(32, dtype="u1").reshape(2, 4, 4)
    layout = h5py.VirtualLayout((2, 4, 4), dtype="u1")
    layout[...] = h5py.VirtualSource(file["part"])
    file.create_virtual_dataset("all", layout)
