"""onnx_outputs.py FOLDER COUNT TOLERANCE: do COUNT networks give in onnxruntime the outputs that lie beside them?"""
import pathlib
import sys

import numpy
import onnxruntime

folder, count, tolerance = pathlib.Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
models = sorted(folder.glob("*.onnx"))
if len(models) != count:
    sys.exit(f"{len(models)} models instead of {count}")
wrong = []
for model in models:
    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    for number in range(2):
        image = numpy.load(folder / f"{model.stem}-{number}-input.npy")
        expected = numpy.load(folder / f"{model.stem}-{number}-output.npy")
        (found,) = session.run(None, {"image": image})
        error = abs(found - expected).max() if found.shape == expected.shape else numpy.inf
        print(f"{model.stem} {image.shape}: {error:.2g}, outputs from {expected.min():.3f} to {expected.max():.3f}")
        # A constant output would agree with anything.
        if not error <= tolerance or numpy.ptp(expected) < 0.01:
            wrong.append(f"{model.stem}: {found.shape} and {expected.shape}, difference {error}, range {numpy.ptp(expected)}")
sys.exit("\n".join(wrong) or 0)
