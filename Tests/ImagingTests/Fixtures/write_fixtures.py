"""Writes the files of this folder with the software that our users' files come from.

python3 -m venv /tmp/venv && /tmp/venv/bin/pip install tifffile imagecodecs h5py numpy pillow
/tmp/venv/bin/python write_fixtures.py

Unless its line says otherwise, sample (page p, row y, column x, channel c) of every volume here holds
(p*50 + y*7 + x*3 + c*20) % 251, so that the tests know every value.
"""
import os
import struct
import zlib

import h5py
import numpy as np
import tifffile
from PIL import Image
from PIL.PngImagePlugin import PngInfo

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

# More than one volume, and axes in ilastik's words.
axistags = '{"axes": [' + ", ".join('{"key": "%s", "typeFlags": 2, "resolution": 0, "description": ""}' % k for k in "cyxz") + "]}"
with h5py.File("axistags.h5", "w") as f:
    f["exported_data"] = pattern(4, 20, 30, 2, np.uint16).transpose(3, 1, 2, 0)
    f["exported_data"].attrs["axistags"] = axistags
    f["exported_data"].attrs["element_size_um"] = np.array([0.05, 0.004, 0.008], np.float32)
with h5py.File("two_volumes.h5", "w", userblock_size=1024) as f:
    f["raw"] = pattern(4, 20, 30, dtype=np.float32)
    f["labels"] = pattern(4, 20, 30, dtype=np.uint64)
    f["names"] = np.array([b"a", b"b"])

with h5py.File("bool.h5", "w") as f:
    f["mask"] = pattern(4, 20, 30) % 2 == 1
with h5py.File("claims.h5", "w") as f:
    f.create_dataset("volume", (1 << 10, 1 << 16, 1 << 16), "f4", chunks=(1, 64, 64))

# --- TIFF, as tifffile writes it ---
grey = pattern(4, 20, 30)
rgb = pattern(4, 20, 30, 3)


def tiff(name, data, **options):
    options.setdefault("photometric", "rgb" if data.shape[-1] == 3 else "minisblack")
    tifffile.imwrite(name, data, **options)


tiff("contiguous.tif", grey)
for name, dtype in [("int8", np.int8), ("uint16", ">u2"), ("int16", np.int16), ("uint32", np.uint32), ("int32", ">i4"), ("float16", np.float16), ("float32", ">f4"), ("float64", np.float64)]:
    values = grey // 2 if name == "int8" else grey  # int8: half of each value, rounded down
    tiff(f"{name}.tif", values.astype(dtype), byteorder=">" if isinstance(dtype, str) else "<")
tiff("bigtiff.tif", grey, bigtiff=True)
tiff("bigtiff_big_endian.tif", grey.astype(">u2"), bigtiff=True, byteorder=">", compression="zlib", predictor=2, rowsperstrip=3)
tiff("strips_lzw.tif", grey, compression="lzw", predictor=2, rowsperstrip=7)
tiff("packbits.tif", grey, compression="packbits")
tiff("deflate_float.tif", grey.astype(np.float32), compression="zlib", predictor=3)
tiff("tiled.tif", grey.astype(np.uint16), tile=(16, 16), compression="zlib", predictor=2)
tiff("tiled_raw.tif", grey, tile=(16, 16))
tiff("tiled_rgb_separate.tif", rgb.transpose(0, 3, 1, 2), tile=(16, 16), photometric="rgb", planarconfig="separate", compression="lzw")
tiff("zstd.tif", grey, compression="zstd")
tiff("rgb.tif", rgb, compression="zlib", predictor=2)
tiff("rgb_separate.tif", rgb.transpose(0, 3, 1, 2).astype(np.float32), photometric="rgb", planarconfig="separate")
tiff("min_is_white.tif", 255 - grey, photometric="miniswhite")  # shows as the others do
tiff("colour_map.tif", grey, photometric="palette", colormap=np.zeros((3, 256), np.uint16))
tiff("centimetres.tif", grey, resolution=(25000, 12500), resolutionunit="CENTIMETER")
tiff("inches.tif", grey, resolution=(72, 72), resolutionunit="INCH")
tifffile.imwrite("imagej.tif", grey, imagej=True, compression="zlib", resolution=(0.25, 0.125), metadata={"axes": "ZYX", "spacing": 50.0, "unit": "nm"})
tifffile.imwrite("imagej_one_directory.tif", grey.astype(">u2"), imagej=True, byteorder=">", metadata={"axes": "ZYX", "spacing": 0.05, "unit": "\\u00B5m"}, resolution=(250, 250))
tifffile.imwrite("imagej_channels.tif", pattern(4, 20, 30, 2).transpose(0, 3, 1, 2), imagej=True, metadata={"axes": "ZCYX"})
tifffile.imwrite(
    "sizes.ome.tif", pattern(4, 20, 30), ome=True,
    metadata={"axes": "ZYX", "PhysicalSizeX": 0.004, "PhysicalSizeXUnit": "µm", "PhysicalSizeY": 8, "PhysicalSizeYUnit": "nm", "PhysicalSizeZ": 0.05},
)
tifffile.imwrite("channels.ome.tif", pattern(4, 20, 30, 2).transpose(0, 3, 1, 2), ome=True, metadata={"axes": "ZCYX"})
with tifffile.TiffFile("imagej_one_directory.tif") as t:
    assert t.byteorder == ">" and t.pages[0].is_contiguous and len(t.pages) == 4
    link = t.pages[0].offset + 2 + 12 * len(t.pages[0].tags)
with open("imagej_one_directory.tif", "r+b") as f:  # as ImageJ itself ends the chain of a stack past 4 GB
    f.seek(link)
    f.write(bytes(4))
with tifffile.TiffWriter("thumbnails.tif") as t:
    for page in grey:
        t.write(page, photometric="minisblack", contiguous=False)
        t.write(page[::2, ::2], photometric="minisblack", subfiletype=1, contiguous=False)
with tifffile.TiffWriter("unequal_pages.tif") as t:
    for page in (grey[0], grey[1], grey[2, :10]):
        t.write(page, photometric="minisblack", contiguous=False)
with tifffile.TiffWriter("unequal_types.tif") as t:
    for page in (grey[0], grey[1].astype(np.float32)):
        t.write(page, photometric="minisblack", contiguous=False)
tifffile.imwrite("alpha.tif", pattern(1, 20, 30, 4), photometric="rgb", extrasamples=["unassalpha"])
tifffile.imwrite("lab.tif", rgb[:1], photometric="cielab")
Image.fromarray(grey[0] % 2 == 1).save("bilevel.tif", compression="raw")  # the lowest bit of each value

# --- NPY, as NumPy writes it ---
small = pattern(3, 8, 10)
for name, data in {
    "uint8": small, "bool": small % 2 == 1, "uint16": small.astype("<u2"), "int32": small.astype("<i4"), "int64": small.astype("<i8"),
    "float16": small.astype("<f2"), "float32": small.astype("<f4"), "float64": small.astype("<f8"), "big_endian": small.astype(">f4"),
    "fortran": np.asfortranarray(small.astype(np.int16)), "channels": pattern(3, 8, 10, 2),
    "fortran_channels": np.asfortranarray(pattern(3, 8, 10, 2, np.float32)), "page": small[0], "line": small[0, 0],
    "complex": small.astype(np.complex64),
}.items():
    np.save(f"{name}.npy", data)
np.save("object.npy", np.array([None, 1], dtype=object), allow_pickle=True)
np.save("record.npy", np.zeros(2, dtype=[("a", np.int8), ("b", np.float32)]))
for version in ((2, 0), (3, 0)):
    with open(f"version{version[0]}.npy", "wb") as f:
        np.lib.format.write_array(f, small, version=version)

# --- PNG, as Pillow writes it; page 0 ---
Image.fromarray(grey[0]).save("grey.png")
gamma = PngInfo()
gamma.add(b"gAMA", (45455).to_bytes(4, "big"))
Image.fromarray(grey[0].astype(np.uint16)).save("grey16_gamma.png", pnginfo=gamma)
Image.fromarray(rgb[0]).save("rgb.png")
Image.fromarray(grey[0] % 2 == 1).save("bilevel.png")  # 255 times the lowest bit
Image.fromarray(grey[0]).convert("P").save("palette.png")
Image.fromarray(pattern(1, 20, 30, 4)[0]).save("alpha.png")


def interlaced(image):
    """PNG interlaced by Adam7, which Pillow does not write: seven reduced images one after another."""
    height, width = image.shape
    data = b""
    for y, x, down, across in [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]:
        data += b"".join(b"\0" + row.tobytes() for row in image[y::down, x::across])
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 1)), (b"IDAT", zlib.compress(data)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in chunks)


with open("interlaced.png", "wb") as f:
    f.write(interlaced(grey[0]))
