"""pytorch_outputs.py FOLDER COUNT TOLERANCE: does unet.py make COUNT networks of their weights that give the outputs beside them?"""
import pathlib
import sys

import numpy
import torch

sys.path.insert(0, str(pathlib.Path(__file__).parents[3] / "Sources/Interchange/PyTorch"))
import unet

folder, count, tolerance = pathlib.Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
files = sorted(folder.glob("*.safetensors"))
if len(files) != count:
    sys.exit(f"{len(files)} files instead of {count}")
wrong = []
for file in files:
    network = unet.load(file)
    for number in range(2):
        image = numpy.load(folder / f"{file.stem}-{number}-input.npy")
        expected = numpy.load(folder / f"{file.stem}-{number}-output.npy")
        with torch.no_grad():
            found = network(torch.from_numpy(image)).numpy()
        error = abs(found - expected).max() if found.shape == expected.shape else numpy.inf
        print(f"{file.stem} {image.shape}: {error:.2g}")
        if not error <= tolerance:
            wrong.append(f"{file.stem}: {found.shape} and {expected.shape}, difference {error}")
sys.exit("\n".join(wrong) or 0)
