"""Prints the results of isbi2012-study as a Markdown table: python3 isbi2012-table.py FOLDER. Only runs that are finished have a line."""

import json
import pathlib
import statistics
import sys

KEYS = ["pixel_accuracy", "pixel_error", "v_rand", "v_info", "rand_error", "warping_error"]


def line(name, prediction, cells):
    return f"| {name} | {prediction} | " + " | ".join(cells) + " |"


def number(key, value):
    return f"{value:.6f}" if key == "warping_error" else f"{value:.4f}"


def main(folder):
    print(line("run", "prediction", [key.replace("_", " ") for key in KEYS]))
    print("|---" * (len(KEYS) + 2) + "|")
    seeds = {"plain": [], "eightfold": []}
    for run in sorted(path for path in folder.iterdir() if path.is_dir()):
        for prediction in seeds:
            path = run / f"{prediction}.json"
            if not path.exists():
                continue
            scores = json.loads(path.read_text())
            print(line(run.name, prediction, [number(key, scores[key]) for key in KEYS]))
            if run.name.startswith("seed-"):
                seeds[prediction].append(scores)
    for prediction, runs in seeds.items():
        if len(runs) > 1:
            cells = [
                f"{number(key, statistics.mean(r[key] for r in runs))} ± {number(key, statistics.stdev(r[key] for r in runs))}" for key in KEYS
            ]
            print(line(f"mean of {len(runs)} seeds ± standard deviation", prediction, cells))


main(pathlib.Path(sys.argv[1]))
