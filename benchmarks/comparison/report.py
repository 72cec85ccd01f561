"""Writes the page from the stored results. Every figure on it was measured; where one is missing it says so."""
from __future__ import annotations

import statistics
from pathlib import Path

from .figures import SECOND_CORE, AgainstPyTorch, Memory, Scaling, breakdown, communication, directions, layer, memory_ratios, not_convolution
from .markdown import NOT_RUN, percent, quotient, ratio, seconds, significant, table, whole
from .results import Results
from .rows import CHANNELS_LAST, CONTIGUOUS, DIRECTIONS, ONEDNN, OURS, OURS_AVX2, TWO_RANKS, TWO_THREADS, Plan, Row

# More of the machine than this taken by others during a turn, in cores, and the page warns.
DISTURBANCE = 0.1
# Ratios of single turns further apart than this, and the page warns: medians of such turns say little.
UNSTEADY = 1.25
# Two cores whose own peak scales by less were not both there.
FULL_SCALING = 1.8

TWO_CORES = {TWO_THREADS: "one rank of two threads", TWO_RANKS: "two ranks of one thread"}
DIRECTION_NAMES = dict(zip(DIRECTIONS, ("forward", "input gradient", "weight gradient")))


def page(results: Results, folder: Path, text: Path, title: str = "Performance") -> str:
    """The whole page. `folder` may hold `communication.json` and `profile.txt`; `text` may hold hand-written sections."""
    plan = Plan(results.quick)
    sections = [
        heading(results, plan, title), goals(results, plan, folder), avx2_section(results, plan), layer_section(results, plan),
        memory_section(results, plan), scaling_section(results, plan), breakdown_section(results, plan), start_up_section(results, plan),
        communication_section(folder), profile_section(folder), *partials(text), machine_section(results, plan), method_section(results)]
    return "\n\n".join(section.strip() for section in sections if section.strip()) + "\n"


def state(results: Results, row: Row) -> str:
    """Why a row has no figures."""
    record = results.rows.get(row.name, {})
    return "failed" if "failed" in record else f"{NOT_RUN}: {record['not_run']}" if "not_run" in record else NOT_RUN


def heading(results: Results, plan: Plan, title: str) -> str:
    lines = [
        f"# {title}",
        "Written by `benchmarks/run`; edit `benchmarks/text/*.md` and run it again (`--report-only` is enough), not this page.",
        "All in fp32 on the same cores in the same session: the programs take turns, medians count, and the ratio is to the faster of PyTorch's two "
        "memory layouts. Ratios are more trustworthy than seconds."]
    if results.quick:
        lines.append("**A quick run in small sizes, to see that everything works: no figure here says anything about speed.**")
    lines += [f"> **Warning:** {warning}" for warning in warnings(results, plan)]
    return "\n\n".join(lines)


def warnings(results: Results, plan: Plan) -> list[str]:
    """What makes the figures less trustworthy than they look."""
    found = []
    cores = results.machine["cores"]
    titles = {row.name: row.title for row in plan.rows}
    if not results.rows:
        return found
    first = next(iter(results.rows.values()))
    # Later rows begin under the load of the rows before them: only the first one's figure is the machine's own.
    if first["load_average"] > 0.25 * cores:
        found.append(f"The machine was busy when the measurement began (load average {first['load_average']}, cores {cores}).")
    for key, who in (("other_cores", "Other programs"), ("stolen_cores", "Other virtual machines (stolen time)")):
        worst = {}
        for name, record in results.rows.items():
            taken = [run[key] for run in record.get("runs", []) if run.get(key) is not None]
            if taken and max(taken) > DISTURBANCE:
                worst[name] = max(taken)
        if worst:
            name = max(worst, key=worst.get)
            found.append(f"{who} took more than {DISTURBANCE} cores during turns of {len(worst)} of {len(results.rows)} rows, "
                         f"at most {worst[name]:.2f} (in: {titles.get(name, name)}).")
    for name, record in results.rows.items():
        if "failed" in record:
            found.append(f"Failed: {titles.get(name, name)}: `{record['failed'].replace('`', ' ')}`")
    spreads = [(row.title, AgainstPyTorch.of(results, row).spread) for row in plan.steps + plan.predictions]
    unsteady = [title for title, spread in spreads if spread and spread[1] > UNSTEADY * spread[0]]
    if unsteady:
        found.append(f"The ratio varies by more than {UNSTEADY:g}× from turn to turn in: {'; '.join(unsteady)}.")
    peak = Scaling.of(results, plan).peak
    if peak is not None and peak < FULL_SCALING:
        consequence = "not judged" if peak < SECOND_CORE else "judged against that"
        found.append(f"Two threads reached only {ratio(peak)}× the FMA peak of one: the goals for two cores are {consequence}.")
    commits = {record["versions"].get("commit") for record in results.rows.values()}
    if len(commits) > 1:
        found.append(f"The rows were measured with {len(commits)} versions of the program; see the machine's section.")
    repeats = {record["repeats"] for record in results.rows.values()}
    if min(repeats) < 5 and not results.quick:
        found.append(f"Some medians are of only {min(repeats)} turns.")
    return found


def against_pytorch(results: Results, row: Row) -> list[str]:
    figures = AgainstPyTorch.of(results, row)
    if figures.ratio is None:
        return [row.title, state(results, row), "", NOT_RUN, "", f"{row.goal.goal:g}×", f"{row.goal.least:g}×", NOT_RUN]
    return [
        row.title, seconds(figures.pytorch), figures.layout, seconds(figures.ours),
        f"**{ratio(figures.ratio)}×** ({ratio(figures.spread[0])}–{ratio(figures.spread[1])})",
        f"{row.goal.goal:g}×", f"{row.goal.least:g}×", row.goal.verdict(figures.ratio)]


def goals(results: Results, plan: Plan, folder: Path) -> str:
    """All that is asked for: ratios to PyTorch first, then what is judged on its own."""
    header = ["`unet-keras`", "PyTorch", "its layout", "unet-mpi", "ratio (least and most of the turns)", "goal", "least", "verdict"]
    first = table(header, [against_pytorch(results, row) for row in plan.steps + plan.predictions])

    ours, peers = Memory.of(results, plan, OURS), [Memory.of(results, plan, name) for name in (CONTIGUOUS, CHANNELS_LAST)]
    raw, net = memory_ratios(ours, peers)
    layers, scaling = directions(results, plan), Scaling.of(results, plan)
    known = [one for one in layers if one.ratio is not None]
    least = min(known, key=lambda one: one.ratio, default=None)
    missing = len(layers) - len(known)
    layer_text = NOT_RUN
    if least:
        layer_text = (f"{ratio(least.ratio)}× at the least ({least.layer}, {DIRECTION_NAMES[least.direction]}), "
                      f"{ratio(statistics.median(one.ratio for one in known))}× in the median")
        layer_text += f"; {missing} of {len(layers)} {NOT_RUN}" if missing else ""
    shares, exposed = not_convolution(breakdown(results, plan)), communication(folder)
    exposed_share = quotient(exposed[0]["exposed_communication_s"], exposed[0]["step_s"]) if exposed else None
    start_up = results.median(plan.start_up.name, OURS, "start_up_s")
    memory, layer_goal, twice, rest, start, hidden = (
        plan.memory_goal, plan.layers[0].goal, plan.scaling.goal, plan.breakdown.goal, plan.start_up.goal, plan.communication_goal)
    memory_title = f"peak memory, {plan.memory_of.title}, against the leaner PyTorch layout"

    def scaled(name: str) -> str:
        judged = scaling.judged(name)
        if judged is None and scaling.measured(name) is not None:
            return f"not judged: the cores' own peak scales only {ratio(scaling.peak)}×"
        return state(results, plan.scaling) if judged is None else (
            f"{ratio(judged)}× ({ratio(scaling.measured(name))}× where the cores' own peak scales {ratio(scaling.peak)}×)")

    lines = [
        [memory_title, state(results, plan.memory_of) if raw is None else f"{ratio(raw)}× (net of what was there before: {ratio(net)}×)",
         f"{memory.goal}×", f"{memory.least}×", memory.verdict(raw)],
        ["each 3×3 layer and direction against oneDNN's better algorithm", layer_text, f"{layer_goal.goal}×", f"{layer_goal.least}×",
         # All of them must reach it, so a layer that was not run is a goal that is not yet met.
         layer_goal.verdict(least.ratio if least and not missing else None)],
        *([f"{title} against one thread", scaled(name), f"{twice.goal}×", f"{twice.least}×", twice.verdict(scaling.judged(name))]
          for name, title in TWO_CORES.items()),
        [plan.breakdown.title, state(results, plan.breakdown) if shares is None else percent(shares), percent(rest.goal), percent(rest.least),
         rest.verdict(shares)],
        [f"exposed communication{', ' + exposed[0]['what'] if exposed else ''}", percent(exposed_share), percent(hidden.goal), percent(hidden.least),
         hidden.verdict(exposed_share)],
        [plan.start_up.title, state(results, plan.start_up) if start_up is None else seconds(start_up), f"{start.goal} s", f"{start.least} s",
         start.verdict(start_up)],
    ]
    return "\n\n".join(["## What is asked for", first, table(["", "measured", "goal", "least", "verdict"], lines)])


def avx2_section(results: Results, plan: Plan) -> str:
    if results.machine["instruction_set"] != "avx512":
        return ""
    lines = []
    for row in plan.steps:
        figures = AgainstPyTorch.of(results, row, OURS_AVX2)
        pytorch = AgainstPyTorch.of(results, row).pytorch
        lines.append([row.title, seconds(pytorch), seconds(figures.ours), f"{ratio(figures.ratio)}×" if figures.ratio else NOT_RUN])
    return "\n\n".join([
        "## With AVX2 only",
        "unet-mpi under `UNET_ISA=avx2`, in the same turns beside the same PyTorch, which uses all that the CPU has.",
        table(["", "PyTorch", "unet-mpi, AVX2", "ratio"], lines)])


def layer_section(results: Results, plan: Plan) -> str:
    lines, measured = [], directions(results, plan)
    for one in measured:
        # oneDNN has no Winograd for some shapes and CPUs; then its direct algorithm stands alone.
        winograd = "not there" if one.winograd is None and one.direct is not None else significant(one.gflops(one.winograd))
        lines.append([
            one.layer if one.direction == DIRECTIONS[0] else "", DIRECTION_NAMES[one.direction], significant(one.gflops(one.direct)), winograd,
            significant(one.gflops(one.ours)),
            f"{ratio(one.ratio)}×" if one.ratio else NOT_RUN, percent(one.peak_share), "" if one.error is None else f"{one.error:.1e}",
            plan.layers[0].goal.verdict(one.ratio)])
    algorithms = {one.layer: one.algorithm for one in measured if one.algorithm}
    kinds: dict[str, list[str]] = {}
    for name, algorithm in algorithms.items():
        kinds.setdefault(algorithm, []).append(name)
    used = "; ".join(f"{algorithm} for {', '.join(names)}" for algorithm, names in kinds.items())
    header = ["layer", "direction", "oneDNN direct", "oneDNN Winograd", "unet-mpi", "ratio to the better", "share of the FMA peak", "error", "verdict"]
    return "\n\n".join(part for part in [
        "## Each 3×3 layer against oneDNN",
        "Layers are input channels × output channels @ height and width, batch 1, one thread. The figures are GFLOP/s of the direct convolution, "
        "whatever the algorithm: 2·9·inputs·outputs·height·width over the time. oneDNN has each tensor in the memory format it prefers, brought "
        f"there before the clock starts; {transform_included(results, plan)}. The share of the peak may exceed 100 %: Winograd does fewer products. "
        "The error is unet-mpi's, its largest difference from the reference over the largest magnitude.",
        table(header, lines),
        f"Algorithms of unet-mpi: {used}." if used else ""] if part)


def transform_included(results: Results, plan: Plan) -> str:
    """Whether oneDNN's Winograd was given transformed weights, as its programs said."""
    cases = [
        layer(output)[direction]["winograd"]["weights_transformed"] for row in plan.layers for output in results.outputs(row.name, ONEDNN)
        for direction in DIRECTIONS if layer(output)[direction]["winograd"]]
    if not cases:
        was_run = any(results.outputs(row.name, ONEDNN) for row in plan.layers)
        return "its Winograd algorithm is not there on this CPU" if was_run else f"whether Winograd's weight transform is inside: {NOT_RUN}"
    if not any(cases):
        return "Winograd's weight transform is inside its times"
    return f"Winograd's weight transform is outside its times in {sum(cases)} of {len(cases)} runs"


def memory_section(results: Results, plan: Plan) -> str:
    lines = []
    for name, title in ((OURS, "unet-mpi"), (CONTIGUOUS, "PyTorch, contiguous"), (CHANNELS_LAST, "PyTorch, channels last")):
        memory = Memory.of(results, plan, name)
        lines.append([title, whole(memory.peak), whole(memory.before), whole(memory.net)])
    return "\n\n".join([
        "## Memory", f"Resident size of the process in MiB, {plan.memory_of.title}. Before: the peak when the program has started, or PyTorch has "
        "been imported, and no network has been made.", table(["", "peak", "before", "net"], lines)])


def scaling_section(results: Results, plan: Plan) -> str:
    scaling = Scaling.of(results, plan)
    peaks = f"{significant(scaling.peak_one)} → {significant(scaling.peak_two)} GFLOP/s"
    lines = [["FMA peak of the cores, two threads", peaks, ratio(scaling.peak)]]
    for name, title in TWO_CORES.items():
        lines.append([title, f"{seconds(scaling.one)} → {seconds(scaling.two[name])}", ratio(scaling.measured(name))])
    return "\n\n".join([
        "## Two cores", f"{plan.scaling.title[0].upper()}{plan.scaling.title[1:]}. Two ranks are bound as Open MPI does by itself, one to each core. "
        "The goal counts the measured ratio as if the cores' own peak doubled.", table(["", "one → two", "ratio"], lines)])


def breakdown_section(results: Results, plan: Plan) -> str:
    shares = breakdown(results, plan)
    body = table(["kind of work", "share"], [[kind, percent(share)] for kind, share in shares]) if shares else f"{NOT_RUN.capitalize()}."
    return "\n\n".join(["## Where a step's time goes", f"`unet-mpi bench step --profile`: {plan.breakdown.title.split(', ', 1)[1]}.", body])


def start_up_section(results: Results, plan: Plan) -> str:
    name = plan.start_up.name
    logged = [output["logged"] for output in results.outputs(name, OURS)]
    own = f"{seconds(results.median(name, OURS, 'start_up_s'))} by the run's own log (`start_up_s`). " if logged and all(logged) else ""
    body = f"{NOT_RUN.capitalize()}." if not logged else (
        f"{own}{seconds(results.median(name, OURS, 'wall_s'))} by the clock, from the start of the process until the first step's record is in "
        f"`log.jsonl`, without that step's {seconds(results.median(name, OURS, 'step_s'))}.")
    return f"## Start\n\n`unet-mpi train` on a sample volume, {plan.start_up.title.split(', ', 1)[1]}. {body}"


def communication_section(folder: Path) -> str:
    measurements = communication(folder)
    lines = [[entry["what"], seconds(entry["step_s"]), seconds(entry["exposed_communication_s"]),
              percent(quotient(entry["exposed_communication_s"], entry["step_s"])), entry["how"]] for entry in measurements]
    body = table(["", "step", "exposed communication", "share", "how it was measured"], lines) if lines else f"{NOT_RUN.capitalize()}."
    return f"## Exposed communication\n\n{body}"


def profile_section(folder: Path) -> str:
    path = folder / "profile.txt"
    body = f"```text\n{path.read_text(encoding='utf-8').rstrip()}\n```" if path.exists() else f"{NOT_RUN.capitalize()}."
    return f"## Profile\n\nBy `benchmarks/profile`.\n\n{body}"


def partials(text: Path) -> list[str]:
    """The hand-written sections, in the order of their files' names."""
    return [path.read_text(encoding="utf-8") for path in sorted(text.glob("*.md"))]


def machine_section(results: Results, plan: Plan) -> str:
    machine, records = results.machine, results.rows.values()

    def printed(key: str, program: str) -> str:
        values = {str(output[key]) for row in plan.rows for output in results.outputs(row.name, program) if key in output}
        return ", ".join(sorted(values)) or NOT_RUN

    peaks = [value for row in plan.rows for value in results.values(row.name, OURS, "fma_peak_gflops")]
    middle = significant(statistics.median(peaks)) if peaks else NOT_RUN
    peak = f"{middle} GFLOP/s ({significant(min(peaks))}–{significant(max(peaks))} over all turns)" if peaks else NOT_RUN

    def versions(*keys: str) -> str:
        return "; ".join(sorted({", commit ".join(record["versions"].get(key) or "unknown" for key in keys) for record in records})) or NOT_RUN

    dates = sorted(record["measured"] for record in records)
    lines = [
        ["CPU", f"{machine['cpu']}{', a virtual machine' if machine['virtual'] else ''}"],
        ["cores", f"{machine['cores']}"],
        ["instruction set", f"{machine['instruction_set']} (unet-mpi uses: {printed('instruction_set', OURS)})"],
        ["FMA peak, one thread, by unet-mpi", peak],
        ["memory", f"{machine['memory_gib']} GiB" if machine["memory_gib"] else "unknown"],
        ["system", f"{machine['system']}, kernel {machine['kernel']}"],
        ["unet-mpi", versions("unet_mpi", "commit")],
        ["PyTorch", printed("version", CONTIGUOUS)],
        ["oneDNN", printed("version", ONEDNN)],
        ["MPI", versions("mpi")],
        ["measured", NOT_RUN if not dates else dates[0] if dates[0] == dates[-1] else f"{dates[0]} to {dates[-1]}"],
    ]
    return "## Machine and versions\n\n" + table(["", ""], lines)


def method_section(results: Results) -> str:
    repeats = sorted({str(record["repeats"]) for record in results.rows.values()})
    turns = " or ".join(repeats) if repeats else "5"
    return f"""## How to measure again

    swift build -c release --product unet-mpi
    benchmarks/run --install                  # once: PyTorch from PyPI into benchmarks/.venv
    benchmarks/run                            # everything; --only 'layer-*' for a part, --list for their names
    benchmarks/profile                        # the profile above
    benchmarks/run --report-only              # this page again, from benchmarks/results

Each program is a process of its own; in each one a step that is not counted, then three, of which the median counts. The programs of a row take
turns {turns} times, and the table has the median over the turns. PyTorch runs in eager mode with the optimizer's defaults
(`benchmarks/pytorch_unet.py`). No process is bound to a core but for those under `mpirun`; each has as many threads as its row says. Every run, with
its command, is in `benchmarks/results/comparison.json`; more in [benchmarks/README.md](../benchmarks/README.md)."""
