"""The page from made-up results: the figures, the verdicts, and that nothing appears that was not measured."""
import json
import tempfile
import unittest
from pathlib import Path

from comparison.figures import AgainstPyTorch, Scaling, breakdown, communication, directions, memory_ratios, Memory, not_convolution
from comparison.report import page
from comparison.results import Results, ResultsError
from comparison.rows import (CHANNELS_LAST, CONTIGUOUS, ONE_THREAD, ONEDNN, OURS, OURS_AVX2, PEAK, TWO_RANKS, TWO_THREADS, Goal, Plan)

MACHINE = {"cpu": "a CPU", "cores": 2, "instruction_set": "avx512", "virtual": False, "memory_gib": 8, "system": "a system", "kernel": "1"}


def results_of(rows, **record):
    """Results with (program, output) pairs by row."""
    results = Results(MACHINE, quick=False)
    for name, runs in rows.items():
        results.rows[name] = {
            "measured": "2001-01-01 00:00 UTC", "versions": {"unet_mpi": "1", "commit": "c", "mpi": "m"}, "load_average": 0.0, "repeats": 5,
            "runs": [{"program": program, "command": "", "output": output, "other_cores": 0.0, "stolen_cores": 0.0} for program, output in runs],
            **record}
    return results


def times(program, *medians, **more):
    return [(program, {"step_median_s": median, **more}) for median in medians]


def layers(direct, winograd, ours):
    """One layer's outputs: `direct` and `winograd` seconds of oneDNN, `ours` seconds, the same in each direction."""
    def algorithm(time):
        return time and {"median_s": time, "weights_transformed": False}

    names = ("forward", "input_gradient", "weight_gradient")
    theirs = {"gflop": 2.0, **{name: {"direct": algorithm(direct), "winograd": algorithm(winograd)} for name in names}}
    mine = {"algorithm": "winograd", **{name: {"median_s": ours, "peak_share": 0.5, "max_relative_error": 1e-6} for name in names}}
    return [(ONEDNN, {"version": "2", "layers": [theirs]}), (OURS, {"layers": [mine]})]


def written(results, folder=None, text=None):
    with tempfile.TemporaryDirectory() as empty:
        return page(results, Path(folder or empty), Path(text or empty))


def line_with(text, *parts):
    """The table's line that has all of the parts, as its cells."""
    lines = [line for line in text.split("\n") if line.startswith("|") and all(part in line for part in parts)]
    assert len(lines) == 1, f"{len(lines)} lines with {parts}"
    return [cell.strip() for cell in lines[0].strip("|").split("|")]


class MachineTests(unittest.TestCase):
    def test_without_avx512(self):
        plan = Plan()
        results = results_of({plan.layers[0].name: layers(2.0, None, 1.0)})
        self.assertIn("## With AVX2 only", written(results))
        results.machine = {**MACHINE, "instruction_set": "avx2"}
        text = written(results)
        self.assertNotIn("## With AVX2 only", text)
        self.assertIn("its Winograd algorithm is not there on this CPU", text)
        self.assertIn("whether Winograd's weight transform is inside: not run", written(results_of({})))


class GoalTests(unittest.TestCase):
    def test_larger_is_better(self):
        goal = Goal(5, 3.5)
        self.assertEqual([goal.verdict(value) for value in (5, 4.99, 3.5, 3.49, None)], ["goal met", "least met", "least met", "**missed**", "not run"])

    def test_smaller_is_better(self):
        goal = Goal(0.5, 0.6, smaller_is_better=True)
        self.assertEqual([goal.verdict(value) for value in (0.5, 0.51, 0.6, 0.61)], ["goal met", "least met", "least met", "**missed**"])


class AgainstPyTorchTests(unittest.TestCase):
    row = Plan().steps[0]

    def test_ratio_of_medians_to_the_faster_layout(self):
        results = results_of({self.row.name: times(OURS, 1, 3, 2) + times(CONTIGUOUS, 8, 9, 7) + times(CHANNELS_LAST, 6, 9, 5)})
        figures = AgainstPyTorch.of(results, self.row)
        self.assertEqual((figures.ours, figures.pytorch, figures.layout, figures.ratio), (2, 6, "channels-last", 3))
        self.assertEqual(figures.spread, (2.5, 6))

    def test_one_layout_alone_gives_no_ratio(self):
        figures = AgainstPyTorch.of(results_of({self.row.name: times(OURS, 1) + times(CONTIGUOUS, 8)}), self.row)
        self.assertIsNone(figures.ratio)

    def test_line_of_the_page(self):
        runs = times(OURS, 0.5) + times(OURS_AVX2, 1.0) + times(CONTIGUOUS, 2.0) + times(CHANNELS_LAST, 3.0)
        text = written(results_of({self.row.name: runs}))
        cells = line_with(text, self.row.title, "| 5× |")
        self.assertEqual(cells[1:], ["2.00 s", "contiguous", "500 ms", "**4.00×** (4.00–4.00)", "5×", "3.5×", "least met"])
        self.assertEqual(line_with(text, self.row.title, "| 1.00 s |")[1:], ["2.00 s", "1.00 s", "2.00×"])


class LayerTests(unittest.TestCase):
    def test_ratio_is_to_the_better_algorithm(self):
        row = Plan().layers[0]
        forward = directions(results_of({row.name: layers(direct=4, winograd=3, ours=2)}), Plan())[0]
        self.assertEqual((forward.ratio, forward.gflops(forward.direct)), (1.5, 0.5))

    def test_a_missing_algorithm_leaves_the_other(self):
        row = Plan().layers[0]
        results = results_of({row.name: layers(direct=4, winograd=None, ours=2)})
        self.assertEqual(directions(results, Plan())[0].ratio, 2)
        self.assertEqual(line_with(written(results), "64x64@256", "forward", "2.00×", "goal met", "%")[3], "not there")

    def test_the_goal_waits_for_all_layers(self):
        plan = Plan()
        all_rows = {row.name: layers(4, 3, 2) for row in plan.layers}
        self.assertEqual(line_with(written(results_of(all_rows)), "each 3×3 layer")[-1], "goal met")
        all_rows.pop(plan.layers[3].name)
        cells = line_with(written(results_of(all_rows)), "each 3×3 layer")
        self.assertEqual(cells[-1], "not run")
        self.assertIn("3 of 48 not run", cells[1])

    def test_one_slow_layer_decides(self):
        plan = Plan()
        all_rows = {row.name: layers(4, 3, 2) for row in plan.layers}
        all_rows[plan.layers[5].name] = layers(4, 3, 2.9)
        cells = line_with(written(results_of(all_rows)), "each 3×3 layer")
        self.assertEqual(cells[-1], "**missed**")
        self.assertIn(f"1.03× at the least ({plan.layers[5].title}, forward)", cells[1])


class ScalingTests(unittest.TestCase):
    def scaling(self, one_core, two_cores):
        runs = [(PEAK, {"gflops": [one_core, two_cores]}), (PEAK, {"gflops": [one_core, one_core]})]
        runs += times(ONE_THREAD, 1.8) + times(TWO_THREADS, 1.0) + times(TWO_RANKS, 0.9)
        return Scaling.of(results_of({"scaling": runs}), Plan())

    def test_judged_against_the_best_of_the_cores(self):
        scaling = self.scaling(100, 180)
        self.assertAlmostEqual(scaling.measured(TWO_THREADS), 1.8)
        self.assertAlmostEqual(scaling.judged(TWO_THREADS), 2.0)

    def test_a_peak_that_more_than_doubles_is_no_excuse_and_no_burden(self):
        self.assertAlmostEqual(self.scaling(100, 210).judged(TWO_RANKS), 2.0)


    def test_no_verdict_without_a_second_core(self):
        scaling = self.scaling(100, 140)
        self.assertIsNone(scaling.judged(TWO_RANKS))
        self.assertAlmostEqual(scaling.measured(TWO_RANKS), 2.0)


class OtherFigureTests(unittest.TestCase):
    def test_memory_against_the_leaner_layout(self):
        raw, net = memory_ratios(Memory(400, 20), [Memory(1000, 500), Memory(1200, 900)])
        self.assertEqual(raw, 0.4)
        self.assertAlmostEqual(net, 380 / 300)

    def test_share_of_what_is_not_convolution(self):
        kinds = [{"kind": "Convolution 3×3", "seconds": 6}, {"kind": "up-convolution", "seconds": 3}, {"kind": "Adam", "seconds": 1}]
        shares = breakdown(results_of({"breakdown": [(OURS, {"profile": {"kinds": kinds}})]}), Plan())
        self.assertEqual([kind for kind, _ in shares], ["Convolution 3×3", "up-convolution", "Adam"])
        self.assertAlmostEqual(not_convolution(shares), 0.1)

    def test_a_profile_of_another_form_is_refused(self):
        with self.assertRaises(ResultsError):
            breakdown(results_of({"breakdown": [(OURS, {"profile": {}})]}), Plan())

    def test_communication_from_another_source(self):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "communication.json")
            path.write_text(json.dumps({"measurements": [{"what": "two hosts", "how": "cluster", "step_s": 4, "exposed_communication_s": 0.3}]}))
            cells = line_with(written(results_of({}), folder), "exposed communication, two hosts")
            self.assertEqual(cells[1:], ["7.5 %", "5.0 %", "10.0 %", "least met"])
            path.write_text("{}")
            with self.assertRaises(ResultsError):
                communication(Path(folder))


class PageTests(unittest.TestCase):
    def test_without_results_every_row_says_so(self):
        plan, text = Plan(), written(results_of({}))
        for row in plan.steps + plan.predictions:
            self.assertEqual(line_with(text, row.title, "| 5× |")[-1], "not run")
        for part in ("each 3×3 layer", "one rank of two threads against", "exposed communication", "start to first step", "peak memory"):
            self.assertEqual(line_with(text, part)[-1], "not run")
        for verdict in ("goal met", "least met", "missed"):
            self.assertNotIn(verdict, text)

    def test_reasons_are_given(self):
        row = Plan().steps[1]
        text = written(results_of({row.name: []}, failed="out of luck"))
        self.assertEqual(line_with(text, row.title, "| 5× |")[1], "failed")
        self.assertIn(f"Failed: {row.title}: `out of luck`", text)
        self.assertIn("not run: needs 2 cores", line_with(written(results_of({row.name: []}, not_run="needs 2 cores")), row.title, "| 5× |")[1])

    def test_warnings(self):
        row = Plan().steps[0]
        results = results_of({row.name: times(OURS, 1, 1) + times(CONTIGUOUS, 2, 4) + times(CHANNELS_LAST, 5, 5)}, load_average=1.5, repeats=2)
        results.rows[row.name]["runs"][0]["other_cores"] = 0.7
        text = written(results)
        for warning in ("load average 1.5", "at most 0.70", "varies by more than 1.25×", "only 2 turns"):
            self.assertIn(warning, text)
        self.assertNotIn("Warning", written(results_of({row.name: times(OURS, 1)})))

    def test_hand_written_sections_and_profile_survive(self):
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "b.md").write_text("## Second\n\nprose\n")
            Path(folder, "a.md").write_text("## First\n")
            Path(folder, "profile.txt").write_text("99 %  work\n")
            text = written(results_of({}), folder, folder)
            self.assertLess(text.index("## First"), text.index("## Second"))
            self.assertIn("```text\n99 %  work\n```", text)

    def test_tables_are_rectangular(self):
        plan = Plan()
        rows = {row.name: layers(4, 3, 2) for row in plan.layers}
        widths, before = [], ""
        for line in written(results_of(rows)).split("\n"):
            if line.startswith("|"):
                widths = widths + [line.count("|")] if before.startswith("|") else [line.count("|")]
                self.assertEqual(len(set(widths)), 1, line)
            before = line


if __name__ == "__main__":
    unittest.main()
