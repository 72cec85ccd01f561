"""Writes elastic.json: elastic deformations and Gaussian blurs by scipy.ndimage, the references of ours. Run: python elastic.py (numpy, scipy)."""

import json
import pathlib

import numpy as np
from scipy.ndimage import gaussian_filter, map_coordinates

random = np.random.default_rng(1)
HEIGHT, WIDTH = 21, 26
image = random.random((HEIGHT, WIDTH)).round(4)
label = (random.random((HEIGHT, WIDTH)) > 0.4).astype(float)
maps = []
for nodes, sigma in [(2, 2.0), (3, 3.0), (5, 1.5)]:
    vectors = random.normal(0, sigma, (2, nodes, nodes)).round(4)  # rows, columns
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(float)
    places = [y / (HEIGHT - 1) * (nodes - 1), x / (WIDTH - 1) * (nodes - 1)]
    source = [grid + map_coordinates(v, places, order=3, mode="mirror") for grid, v in zip((y, x), vectors)]
    maps.append(
        dict(
            nodes=nodes, rows=vectors[0].ravel().tolist(), columns=vectors[1].ravel().tolist(),
            sourceRows=source[0].ravel().round(9).tolist(), sourceColumns=source[1].ravel().round(9).tolist(),
            samples={
                mode: dict(
                    image=map_coordinates(image, source, order=1, mode=mode, cval=0.25).ravel().round(7).tolist(),
                    label=map_coordinates(label, source, order=0, mode=mode, cval=0).astype(int).ravel().tolist())
                for mode in ("reflect", "nearest", "constant", "wrap")
            }))
blurs = [dict(sigma=s, image=gaussian_filter(image, s).ravel().round(7).tolist()) for s in (0.1, 0.6, 1.5, 8.0)]
fixture = dict(
    height=HEIGHT, width=WIDTH, image=image.ravel().tolist(), label=label.astype(int).ravel().tolist(), maps=maps, blurs=blurs)
pathlib.Path(__file__).with_suffix(".json").write_text(json.dumps(fixture, separators=(",", ":")) + "\n")
