"""package_contents.py PACKAGE FILE…: is it an archive whose files are whole, with the hashes of its description, and FILE… among them?"""
import hashlib
import io
import re
import sys
import zipfile

import h5py
import numpy
import onnxruntime

with zipfile.ZipFile(sys.argv[1]) as archive:
    damaged = archive.testzip()
    if damaged:
        sys.exit(f"{damaged} is damaged")
    files = {name: archive.read(name) for name in archive.namelist()}
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in archive.infolist()):
        sys.exit("a file is compressed")
text = files["bioimageio.yaml"].decode()
hashes = dict(re.findall(r"source: (\S+)\n\s+sha256: ([0-9a-f]{64})", text))
for name in ["unet.py", "test-input.npy", "test-output.npy", "weights.pt", "weights.onnx", *sys.argv[2:]]:
    if hashlib.sha256(files[name]).hexdigest() != hashes.get(name):
        sys.exit(f"{name}: the hash is {hashes.get(name)}")
for name in ["README.md", "cover.png"]:
    if name not in text or name not in files:
        sys.exit(f"{name} is missing")
if "\n## Validation\n" not in files["README.md"].decode():
    sys.exit("README.md has no heading Validation")
if not files["cover.png"].startswith(b"\x89PNG"):
    sys.exit("cover.png is no PNG file")
image, expected = (numpy.load(io.BytesIO(files[f"test-{name}.npy"])) for name in ("input", "output"))
if image.dtype != numpy.float32 or numpy.ptp(image) == 0:
    sys.exit(f"the test image is {image.dtype}, from {image.min()} to {image.max()}")
(found,) = onnxruntime.InferenceSession(files["weights.onnx"]).run(None, {"image": image.astype("f4") / 255})
error = abs(found - expected).max()
print(f"onnxruntime on the test image: {error:.2g}")
if not error <= 1e-4:
    sys.exit(f"onnxruntime's output differs by {error}")
if "weights.h5" in files and "model_config" not in h5py.File(io.BytesIO(files["weights.h5"])).attrs:
    sys.exit("weights.h5 is no model of Keras")
with zipfile.ZipFile(io.BytesIO(files["weights.pt"])) as weights:
    if weights.testzip() or "archive/data.pkl" not in weights.namelist():
        sys.exit("weights.pt is no state dictionary")
