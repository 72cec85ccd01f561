"""What the fault programs share: a job under mpirun, on this machine or on virtual hosts, and the training run that is disturbed."""
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
VIRTUAL_CLUSTER = os.path.join(HERE, "../virtual-cluster")
PROGRAM = os.path.normpath(os.path.join(HERE, "../../.build/release/unet-mpi"))
LATER = 60  # seconds in which a job that is late may still end, which tells what it waited for
STEP_PHASES = ["input", "forward", "agreement", "backward", "reduction", "update"]


class Failed(Exception):
    """Something that did not go as promised."""


def is_stopped(process):
    """Whether a process is there and stopped."""
    try:
        return open(f"/proc/{process}/stat").read().rsplit(")", 1)[1].split()[0] == "T"
    except OSError:
        return False


class Cluster:
    """Virtual hosts, with a network between them whose links can be taken down."""

    def __init__(self, hosts):
        self.hosts, self.folder = hosts, tempfile.mkdtemp(prefix="cluster-") + "/hosts"
        self.call("up", str(hosts), "1gbit")

    def call(self, action, *arguments):
        return subprocess.run([VIRTUAL_CLUSTER, action, self.folder, *arguments], check=True, capture_output=True, text=True).stdout

    def processes(self):
        """All processes on all hosts."""
        return [int(p) for host in range(1, self.hosts + 1) for p in self.call("pids", str(host)).split()]

    def down(self):
        self.call("down")
        os.rmdir(os.path.dirname(self.folder))


class Job:
    """One start of the program under mpirun, and what it said."""

    def __init__(self, setting, ranks, arguments, environment=None, through=(), cluster=None):
        self.setting, self.ranks, self.cluster = setting, ranks, cluster
        self.struck, self.was_over, self.left = time.monotonic(), False, None
        self.log = open(os.path.join(setting.folder, "job.log"), "w+")
        if cluster:
            # mpirun notices within seconds that a host is out of reach, not within minutes.
            keepalive = {f"OMPI_MCA_oob_tcp_keepalive_{name}": value for name, value in [("time", "2"), ("intvl", "1"), ("probes", "2")]}
            environment = {**keepalive, **(environment or {})}
            command = [VIRTUAL_CLUSTER, "run", cluster.folder, str(ranks), *through, setting.program, *arguments]
        else:
            command = ["mpirun", "-n", str(ranks), "--oversubscribe", "--bind-to", "none", *through, setting.program, *arguments]
        self.process = subprocess.Popen(
            command, stdout=self.log, stderr=subprocess.STDOUT, env={**setting.environment, **(environment or {})}, start_new_session=True)

    def is_over(self):
        return self.process.poll() is not None

    def strikes(self):
        """Marks the moment of a fault."""
        self.struck, self.was_over = time.monotonic(), self.is_over()

    def rank_processes(self):
        """The processes of the ranks on this machine by rank, as far as they have been started."""
        found = {}
        for name in os.listdir("/proc"):
            try:
                if not name.isdigit() or open(f"/proc/{name}/comm").read().strip() != "unet-mpi":
                    continue
                if int(open(f"/proc/{name}/stat").read().rsplit(")", 1)[1].split()[1]) != self.process.pid:
                    continue
                variables = dict(v.split(b"=", 1) for v in open(f"/proc/{name}/environ", "rb").read().split(b"\0") if b"=" in v)
                found[int(variables[b"OMPI_COMM_WORLD_RANK"])] = int(name)
            except (OSError, KeyError, ValueError, IndexError):
                continue
        return found

    def rank(self, number):
        """The process of a rank, waited for up to a second; None when the job is over before."""
        for _ in range(100):
            process = self.rank_processes().get(number)
            if process or self.is_over():
                return process
            time.sleep(0.01)
        return None

    def wait(self, limit):
        """Waits for the end for at most `limit` seconds."""
        try:
            self.process.wait(limit)
        except subprocess.TimeoutExpired:
            pass

    def end(self, limit, what):
        """Waits for the end; returns the exit status. Raises Failed when it takes longer than `limit` seconds.

        When no rank is left by then that could do anything, that is no fault of theirs. `left` says what was: mpirun alone, as Open MPI 4.1.4 with PMIx
        4.2.2 locks itself out at its end when a rank dies while it connects (docs/failures.md); or ranks that are stopped, which all others had taken
        leave of."""
        try:
            status = self.process.wait(limit)
        except subprocess.TimeoutExpired:
            ranks = self.rank_processes().values()
            if not self.cluster and all(is_stopped(process) for process in ranks):
                self.left = "a stopped rank" if ranks else "mpirun"
                self.kill()
                return self.process.returncode
            left, began = self.processes_left(), time.monotonic()
            self.wait(LATER)
            later = f"over {time.monotonic() - began:.0f} s later, with status {self.process.poll()}" if self.is_over() else f"nor {LATER} s later"
            text = self.text()
            self.kill()
            raise Failed(f"{what}: the job is not over after {limit:.0f} s, {later}\n{text}\n{left}")
        self.kill()
        return status

    def processes_left(self):
        """What the system says of the launcher and its ranks."""
        numbers = [str(number) for number in [self.process.pid, *self.rank_processes().values()]]
        columns = "pid,ppid,stat,wchan:24,etimes,args"
        return subprocess.run(["ps", "-o", columns, "-p", ",".join(numbers)], capture_output=True, text=True).stdout

    def kill(self):
        """Ends what is left of the job: only where it failed, where mpirun itself was killed, or behind a lost link is anything."""
        for process in [self.process.pid, *self.rank_processes().values(), *(self.cluster.processes() if self.cluster else [])]:
            try:
                os.kill(process, signal.SIGKILL)
            except OSError:
                pass
        self.process.wait()

    def text(self):
        self.log.flush()
        return open(self.log.name).read()


class Setting:
    """A folder with sample data, and the small run that is disturbed."""

    def __init__(self, program, prefix, steps, stall):
        self.program, self.steps, self.stall = os.path.abspath(program), steps, stall
        if not os.access(self.program, os.X_OK):
            raise SystemExit(f"{prefix}: {self.program} is not there; build it with: swift build -c release")
        self.folder = tempfile.mkdtemp(prefix=prefix + "-")
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith("UNET_TEST")}
        self.environment.update(OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1")
        self.call("sample", "--output", self.path("data"), "--height", "48", "--width", "48", "--training-pages", "6")

    def path(self, name):
        return os.path.join(self.folder, name)

    def call(self, *arguments):
        return subprocess.run([self.program, *arguments], check=True, capture_output=True, text=True).stdout

    def remove(self, *names):
        for name in names:
            shutil.rmtree(self.path(name), ignore_errors=True)

    def training(self, output, *more):
        """The command that trains for all steps, with `more` options or others; on the same folder it goes on."""
        usual = {
            "--base-channels": "4", "--depth": "2", "--crop": "32", "--batch-size": "4", "--steps": str(self.steps), "--validation": "2",
            "--validate-every": "10", "--checkpoint-every": "5", "--stall-timeout": f"{self.stall}s", "--threads": "1",
        }
        usual = [word for name, value in usual.items() if name not in more for word in (name, value)]
        data = ["--images", self.path("data/train-volume.tif"), "--labels", self.path("data/train-labels.tif")]
        return ["train", *data, "--output", self.path(output), *usual, "--quiet", *more]

    def state(self, output):
        """The SHA-256 of the parameters and of the optimizer's state after the last step."""
        information = json.loads(self.call("info", "--json", self.path(f"{output}/checkpoints/step-{self.steps:08d}.h5")))
        return information["parameters_sha256"], information["optimizer_sha256"]
