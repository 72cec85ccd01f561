"""Writes affine.json: affine maps sampled by scipy.ndimage, the reference of our sampling. Run: python affine.py (numpy, scipy)."""

import json
import pathlib

import numpy as np
from scipy.ndimage import affine_transform

HEIGHT, WIDTH = 9, 13
CASES = [  # rotation and shear in degrees, shift in pixels, zoom factors; the convention of Keras' ImageDataGenerator
    dict(rotation=10, shift=(1.5, -2.25), shear=7, zoom=(0.9, 1.1)),
    dict(rotation=-33, shift=(-0.37, 4.61), shear=-12, zoom=(1.3, 0.77)),
    dict(rotation=141, shift=(3.21, 0.83), shear=0, zoom=(2.1, 1.9)),
    dict(rotation=0, shift=(-6.4, 7.3), shear=0, zoom=(1, 1)),
]


def keras_map(rotation, shift, shear, zoom):
    """Matrix and offset that take output pixels to source coordinates, about the centre ((H - 1)/2, (W - 1)/2)."""
    t, s = np.deg2rad(rotation), np.deg2rad(shear)
    r = np.array([[np.cos(t), -np.sin(t), 0], [np.sin(t), np.cos(t), 0], [0, 0, 1]])
    m = np.array([[1, 0, shift[0]], [0, 1, shift[1]], [0, 0, 1]])
    sh = np.array([[1, -np.sin(s), 0], [0, np.cos(s), 0], [0, 0, 1]])
    z = np.diag([zoom[0], zoom[1], 1])
    center = np.array([[1, 0, (HEIGHT - 1) / 2], [0, 1, (WIDTH - 1) / 2], [0, 0, 1]])
    full = center @ r @ m @ sh @ z @ np.linalg.inv(center)
    return full[:2, :2], full[:2, 2]


random = np.random.default_rng(1)
image = random.random((HEIGHT, WIDTH)).round(4)
label = (random.random((HEIGHT, WIDTH)) > 0.4).astype(float)
cases = []
for case in CASES:
    matrix, offset = keras_map(**case)
    samples = {
        mode: {
            "image": affine_transform(image, matrix, offset, order=1, mode=mode, cval=0.25).ravel().round(7).tolist(),
            "label": affine_transform(label, matrix, offset, order=0, mode=mode, cval=0).astype(int).ravel().tolist(),
        }
        for mode in ("reflect", "nearest", "constant", "wrap")
    }
    cases.append({**case, "matrix": matrix.ravel().tolist(), "offset": offset.tolist(), "samples": samples})
fixture = dict(height=HEIGHT, width=WIDTH, image=image.ravel().tolist(), label=label.astype(int).ravel().tolist(), cases=cases)
pathlib.Path(__file__).with_suffix(".json").write_text(json.dumps(fixture, separators=(",", ":")) + "\n")
