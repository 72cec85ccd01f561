"""Writes scores.json: segmentation scores by scikit-image and by plain Python, the references of ours. Run: python scores.py (numpy, scipy, scikit-image).

Rand and information scores come from scikit-image. A border pixel of the proposal is given a label of its own first, because the challenge
counts it as a segment; scikit-image counts pairs without a pixel with itself (sums minus n), names precision and recall the other way round, and
gives entropies in bits. Thinning and warping have no reference in a library: they are written out below from their definitions, slowly.
"""

import json
import pathlib

import numpy as np
from scipy.ndimage import gaussian_filter, label
from skimage.metrics import adapted_rand_error, hausdorff_distance, variation_of_information

CROSS = [[0, 1, 0], [1, 1, 1], [0, 1, 0]]


def components(interior):
    return label(interior, CROSS)[0]


def thin(interior):
    """The challenge's watershed with 4-connectivity: 0 in the interior, 255 on the border."""
    height, width = interior.shape
    unvisited, queued, dam = -2, -3, 0
    labels = components(interior)
    if labels.max() == 0:
        return np.ones_like(labels)
    labels[~interior] = unvisited

    def neighbors(x, y):
        return [(u, v) for u, v in [(x - 1, y), (x, y - 1), (x + 1, y), (x, y + 1)] if 0 <= u < width and 0 <= v < height]

    fifo = []
    for x in range(width):
        for y in range(height):
            if not interior[y, x] and any(labels[v, u] > 0 for u, v in neighbors(x, y)):
                labels[y, x] = queued
                fifo.append((x, y))
    flag = False
    while fifo:
        x, y = fifo.pop(0)
        for u, v in neighbors(x, y):
            if labels[v, u] > 0:
                if labels[y, x] == queued or (labels[y, x] == dam and flag):
                    labels[y, x] = labels[v, u]
                elif labels[y, x] > 0 and labels[y, x] != labels[v, u]:
                    labels[y, x] = dam
                    flag = False
            elif labels[v, u] == dam:
                if labels[y, x] == queued:
                    labels[y, x] = dam
                    flag = True
            elif labels[v, u] == unvisited:
                labels[v, u] = queued
                fifo.append((u, v))
    assert labels.min() >= 0
    return labels


def is_simple(window):
    """Foreground 4-connected, background 8-connected, from the definition: one foreground part at an edge, and some background."""
    window = window.copy()
    window[1, 1] = 0
    parts = components(window)
    edges = {parts[0, 1], parts[1, 0], parts[1, 2], parts[2, 1]} - {0}
    return len(edges) == 1 and window.sum() < 8


def splits_and_merges(truth, probability, threshold):
    """The pixels that split and merge after warping the truth towards the proposal by simple points."""
    source = np.pad(truth, 1).astype(int)
    target = np.pad(probability > threshold, 1).astype(int)
    distance = np.pad(np.abs(probability - threshold), 1).astype(np.float32)
    count = -1
    while True:
        wrong = [(x, y) for x in range(source.shape[1]) for y in range(source.shape[0]) if source[y, x] != target[y, x]]
        if len(wrong) == count:
            break
        count = len(wrong)
        for x, y in sorted(wrong, key=lambda p: -distance[p[1], p[0]]):
            if is_simple(source[y - 1 : y + 2, x - 1 : x + 2]):
                source[y, x] = 1 - source[y, x]

    def around(image, x, y):
        ids = list(components(image)[y - 1 : y + 2, x - 1 : x + 2].ravel())
        del ids[4]
        return set(ids)

    splits = merges = 0
    for x, y in wrong:
        ids = around(source, x, y)
        objects = ids - {0}
        if len(objects) >= 2:
            splits, merges = (splits + 1, merges) if source[y, x] else (splits, merges + 1)
        elif len(objects) == 1 and 0 in ids and source[y, x]:
            without = source.copy()
            without[y, x] = 0
            splits += len(around(without, x, y)) > 2
    return splits, merges


def overlap(truth, proposal):
    """adapted_rand_error and variation_of_information with border pixels as segments of their own, restricted to the true foreground."""
    single = proposal.copy()
    border = single == 0
    single[border] = single.max() + 1 + np.arange(border.sum())
    error, precision, recall = adapted_rand_error(truth, single, ignore_labels=(0,))
    split, merge = variation_of_information(truth[truth > 0], single[truth > 0])

    def entropy(labels):
        share = np.unique(labels, return_counts=True)[1] / len(labels)
        return float(-(share * np.log2(share)).sum())

    return dict(
        randError=float(error), randPrecision=float(precision), randRecall=float(recall), split=float(split), merge=float(merge),
        trueEntropy=entropy(truth[truth > 0]), proposedEntropy=entropy(single[truth > 0]))


def case(name, truth, probability, thresholds):
    truth = np.asarray(truth, bool)
    probability = np.asarray(probability, np.float32).astype(float)  # float32 against a Python number is compared in float32
    results = []
    for threshold in thresholds:
        th = sum([0.1] * threshold)  # the challenge adds 0.1 again and again
        interior = probability > th
        splits, merges = splits_and_merges(truth, probability, th)
        thinned = thin(interior)
        results.append(
            dict(
                threshold=threshold, components=overlap(components(truth), components(interior)), thinned=overlap(components(truth), thinned),
                labels=thinned.ravel().tolist(), splits=splits, merges=merges))
    return dict(
        name=name, height=truth.shape[0], width=truth.shape[1], truth=truth.astype(int).ravel().tolist(),
        probability=[round(float(p), 3) for p in probability.ravel()], results=results,
        hausdorff=float(hausdorff_distance(truth, probability > sum([0.1] * 5))))


def tissue(seed, height, width, noise):
    """Cells with borders, and a blurred, noisy prediction of them."""
    random = np.random.default_rng(seed)
    points = random.random((14, 2)) * (height, width)
    y, x = np.mgrid[:height, :width]
    distances = np.sort([np.hypot(y - a, x - b) for a, b in points], axis=0)
    truth = distances[1] - distances[0] > 2.2
    probability = gaussian_filter(truth.astype(float), 1.1) + gaussian_filter(random.normal(size=truth.shape), 1.5) * noise
    return truth, np.clip(probability, 0, 1).round(3).astype(np.float32)


cases = []
for seed, height, width, noise in [(1, 31, 44, 0.5), (2, 40, 29, 1.2), (3, 36, 36, 2.5)]:
    truth, probability = tissue(seed, height, width, noise)
    cases.append(case(f"tissue {seed}", truth, probability, [1, 3, 5, 8]))
random = np.random.default_rng(4)
truth, probability = random.random((17, 23)) > 0.35, random.random((17, 23)).round(3).astype(np.float32)
cases.append(case("noise", truth, probability, [2, 4, 6]))
pathlib.Path(__file__).with_suffix(".json").write_text(json.dumps(dict(cases=cases), separators=(",", ":")) + "\n")
for c in cases:
    print(c["name"], [(r["splits"], r["merges"], round(1 - r["thinned"]["randError"], 4)) for r in c["results"]], c["hausdorff"])
