"""Running programs, storing results, and the command line, with small programs in place of the real ones."""
import contextlib
import io
import json
import os
import py_compile
import stat
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from comparison import command, machine
from comparison.markdown import seconds, significant, table
from comparison.measure import measured, programs_for
from comparison.programs import ProgramError, Tools, environment, json_in
from comparison.results import Results, ResultsError
from comparison.rows import CHANNELS_LAST, CONTIGUOUS, OURS, OURS_AVX2, Plan, Program, Row

BENCHMARKS = Path(__file__).resolve().parent.parent
MACHINE = {"cores": 2, "instruction_set": "avx512"}


class FolderTestCase(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def tools(self, script):
        """Tools whose unet-mpi is a Python script; its options are in `arguments`."""
        path = self.folder / "unet-mpi"
        path.write_text(f"#!{sys.executable}\nimport json, os, sys\narguments = sys.argv[1:]\n{script}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return Tools(path, None, self.folder / "layers", self.folder / "fma_peak", BENCHMARKS)


class ProgramTests(FolderTestCase):
    def test_output_and_environment(self):
        program = Program(OURS_AVX2, "unet-mpi", ("bench", "step"), environment={"UNET_ISA": "avx2"})
        with mock.patch.dict(os.environ, {"OMP_NUM_THREADS": "7", "UNET_ISA": "baseline"}):
            script = "print('a line of the launcher'); print(json.dumps({name: os.environ.get(name) for name in ('UNET_ISA', 'OMP_NUM_THREADS')}))"
            run = self.tools(script).run(program)
        self.assertEqual(run["output"], {"UNET_ISA": "avx2", "OMP_NUM_THREADS": None})
        self.assertEqual(run["command"], "UNET_ISA=avx2 unet-mpi bench step")

    def test_peers_get_their_threads(self):
        self.assertEqual(environment(Program(CONTIGUOUS, "python", (), threads=2))["OMP_NUM_THREADS"], "2")

    def test_failures_say_what_and_why(self):
        program = Program(OURS, "unet-mpi", ("bench",))
        with self.assertRaisesRegex(ProgramError, "unet-mpi bench ended with status 3: no luck"):
            self.tools("sys.exit(print('no luck', file=sys.stderr) or 3)").run(program)
        with self.assertRaisesRegex(ProgramError, "no JSON object: just words"):
            json_in("just words", "a")
        with self.assertRaisesRegex(ProgramError, "cannot start unet-mpi bench: No such file"):
            Tools(self.folder / "missing", None, self.folder / "layers", self.folder / "fma_peak", BENCHMARKS).run(program)

    start_up = Program(OURS, "start-up", ("--steps", "1"))
    train = """
folder = arguments[arguments.index('--output') + 1]
if arguments[0] == 'train':
    os.makedirs(folder)
    print(json.dumps({RECORD}), file=open(folder + '/log.jsonl', 'w'))
"""

    def test_start_up_by_the_clock_and_by_the_log(self):
        record = "'compute_s': -1.0, 'exposed_communication_s': 0.0, 'input_wait_s': 0.0"
        output = self.tools(self.train.replace("RECORD", record)).run(self.start_up)["output"]
        # The step's own time is taken off, so a step of -1 s adds one to what the process took.
        self.assertGreater(output["start_up_s"], 1.0)
        self.assertFalse(output["logged"])
        output = self.tools(self.train.replace("RECORD", record + ", 'start_up_s': 0.25")).run(self.start_up)["output"]
        self.assertEqual((output["start_up_s"], output["logged"]), (0.25, True))

    def test_start_up_without_a_step_fails(self):
        with self.assertRaisesRegex(ProgramError, "without the record of a step"):
            self.tools(self.train.replace("RECORD", "'validation_loss': 1")).run(self.start_up)


class MeasureTests(FolderTestCase):
    def test_programs_take_turns(self):
        row = Row("row", "row", (Program("a", "unet-mpi", ("a",)), Program("b", "unet-mpi", ("b",))))
        record = measured(row, self.tools("print(json.dumps({'name': arguments[0]}))"), MACHINE, {}, 2, lambda line: None)
        self.assertEqual([run["output"]["name"] for run in record["runs"]], ["a", "b", "a", "b"])

    def test_a_failure_is_recorded(self):
        row = Row("row", "row", (Program("a", "unet-mpi", ()),))
        record = measured(row, self.tools("sys.exit(1)"), MACHINE, {}, 2, lambda line: None)
        self.assertIn("status 1", record["failed"])
        self.assertEqual(record["runs"], [])

    def test_too_few_cores(self):
        record = measured(Plan().scaling, self.tools("sys.exit(1)"), {**MACHINE, "cores": 1}, {}, 1, lambda line: None)
        self.assertEqual(record["not_run"], "needs 2 cores, here are 1")

    def test_avx2_is_repeated_only_where_there_is_more(self):
        row = Plan().steps[0]
        self.assertEqual([program.name for program in programs_for(row, "avx512")], [OURS, CONTIGUOUS, CHANNELS_LAST, OURS_AVX2])
        self.assertEqual([program.name for program in programs_for(row, "avx2")], [OURS, CONTIGUOUS, CHANNELS_LAST])


class RowTests(unittest.TestCase):
    def test_names_are_unique(self):
        for plan in (Plan(), Plan(quick=True)):
            names = [row.name for row in plan.rows]
            self.assertEqual(len(set(names)), len(names))

    def test_both_sides_get_the_same_network(self):
        for row in Plan().steps + Plan().predictions:
            shared = [" ".join(program.arguments[program.arguments.index("--base-channels"):][:8]) for program in row.programs]
            self.assertEqual(len(set(shared)), 1, row.name)


class ResultsTests(FolderTestCase):
    def test_written_and_read(self):
        results, path = Results({"cpu": "x"}, quick=True), self.folder / "new" / "results.json"
        results.rows["row"] = {"runs": [{"program": "p", "output": {"a": {"b": value}}} for value in (1, 5, 2)] + [{"program": "q", "output": {}}]}
        results.write(path)
        read = Results.read(path)
        self.assertEqual((read.machine, read.quick, read.rows), (results.machine, True, results.rows))
        self.assertEqual((read.median("row", "p", "a", "b"), read.median("row", "q", "a", "b"), read.median("none", "p", "a")), (2, None, None))
        self.assertEqual(os.listdir(path.parent), ["results.json"])

    def test_other_files_are_refused(self):
        for text in ("{}", "[1]", "not JSON"):
            (self.folder / "other.json").write_text(text)
            with self.assertRaises(ResultsError):
                Results.read(self.folder / "other.json")


class CommandTests(FolderTestCase):
    def ended(self, *arguments):
        """Exit status and messages of the command."""
        messages = io.StringIO()
        with contextlib.redirect_stderr(messages), contextlib.redirect_stdout(io.StringIO()):
            try:
                status = command.main([*map(str, arguments)])
            except SystemExit as end:
                status = end.code
        return status, messages.getvalue()

    def test_usage(self):
        for arguments in (("--nonsense",), ("--repeats", "0"), ("--only", "nothing-*")):
            self.assertEqual(self.ended(*arguments)[0], 64, arguments)
        self.assertEqual(self.ended("--list")[0], 0)

    def test_a_busy_machine_is_left_alone(self):
        with mock.patch.object(os, "getloadavg", return_value=(64.0, 0, 0)):
            status, messages = self.ended("--only", "breakdown", "--results", self.folder / "r.json", "--binary", self.folder / "none")
        self.assertEqual(status, 75)
        self.assertIn("--ignore-load", messages)
        self.assertFalse((self.folder / "r.json").exists())

    def test_a_missing_program(self):
        with mock.patch.object(os, "getloadavg", return_value=(0.0, 0, 0)):
            status, messages = self.ended("--only", "breakdown", "--results", self.folder / "r.json", "--binary", self.folder / "none")
        self.assertEqual(status, 69)
        self.assertIn("swift build", messages)

    def measure(self, *more):
        tools = self.tools("print(json.dumps({'step_median_s': 1, 'profile': {'kinds': [{'kind': 'convolution', 'seconds': 1}]}}))")
        with mock.patch.object(os, "getloadavg", return_value=(0.0, 0, 0)):
            return self.ended("--only", "breakdown", "--repeats", 1, "--binary", tools.binary, "--results", self.folder / "r.json",
                              "--output", self.folder / "page.md", *more)[0]

    def test_one_row_is_measured_and_the_others_stay(self):
        self.assertEqual(self.measure(), 0)
        stored = json.loads((self.folder / "r.json").read_text())
        self.assertEqual(list(stored["rows"]), ["breakdown"])
        stored["rows"]["scaling"] = {**stored["rows"]["breakdown"], "runs": []}
        (self.folder / "r.json").write_text(json.dumps(stored))
        self.assertEqual(self.measure(), 0)
        self.assertEqual(set(json.loads((self.folder / "r.json").read_text())["rows"]), {"breakdown", "scaling"})
        self.assertIn("| convolution | 100.0 % |", (self.folder / "page.md").read_text())

    def test_results_of_another_machine_are_not_mixed_in(self):
        Results({"cpu": "another"}, quick=False).write(self.folder / "r.json")
        self.assertEqual(self.measure(), 65)

    def test_report_only(self):
        self.assertEqual(self.ended("--report-only", "--results", self.folder / "none.json", "--output", self.folder / "page.md")[0], 65)
        self.assertEqual(self.measure(), 0)
        before = (self.folder / "page.md").read_text()
        status, _ = self.ended("--report-only", "--results", self.folder / "r.json", "--output", self.folder / "again.md")
        self.assertEqual((status, (self.folder / "again.md").read_text()), (0, before))


class NumberTests(unittest.TestCase):
    def test_three_digits(self):
        texts = [significant(value) for value in (0.01234, 0.9996, 1.234, 99.96, 123.4, 1234.0, 0, None)]
        self.assertEqual(texts, ["0.0123", "1.00", "1.23", "100", "123", "1230", "0", "not run"])
        self.assertEqual([seconds(value) for value in (0.0005, 0.25, 2.5)], ["0.500 ms", "250 ms", "2.50 s"])

    def test_cells_cannot_break_a_table(self):
        self.assertEqual(table(["a"], [["x|y\nz"]]), "| a |\n| --- |\n| x\\|y z |")


class MachineTests(unittest.TestCase):
    def test_instruction_sets(self):
        every = {"avx2", "fma", "avx512f", "avx512bw", "avx512dq", "avx512vl"}
        self.assertEqual([machine.instruction_set(flags) for flags in (every, {"avx2", "fma"}, {"sse2"})], ["avx512", "avx2", "baseline"])

    def test_meter(self):
        times = iter([(0.0, 10.0, 0.0, 1.0), (2.0, 13.0, 0.5, 2.0)])
        with mock.patch.object(machine.Meter, "now", side_effect=lambda: next(times)):
            self.assertEqual(machine.Meter().end(), {"other_cores": 1.0, "stolen_cores": 0.25})


class SourceTests(FolderTestCase):
    def test_programs_that_are_not_imported_here_compile(self):
        for name in ("pytorch_unet.py", "run"):
            py_compile.compile(str(BENCHMARKS / name), cfile=str(self.folder / "compiled"), doraise=True)


if __name__ == "__main__":
    unittest.main()
