import Foundation

/// A script that trains as a job of a batch system: it saves before the time is over, is queued again until the training is done, and says
/// why where it is not. `examples/slurm` and `examples/pbs` hold what this writes.
public struct BatchScript: Sendable {
    /// The batch systems.
    public enum Scheduler: String, CaseIterable, Sendable {
        /// Slurm.
        case slurm
        /// OpenPBS and PBS Professional.
        case pbs

        /// The command that queues a script.
        public var submitCommand: String { self == .slurm ? "sbatch" : "qsub" }
    }

    /// What starts the ranks under Slurm; under PBS it is always mpirun.
    public enum Launcher: String, CaseIterable, Sendable {
        /// Slurm's own, with PMIx.
        case srun
        /// That of the MPI library.
        case mpirun
    }

    /// The batch system.
    public var scheduler: Scheduler
    /// Hosts.
    public var nodes: Int
    /// Ranks of a host, and cores of a rank.
    public var tasksPerNode = 1, cpusPerTask = 1
    /// How long the job may take before it has to be queued again.
    public var time: TimeSpan
    /// How often it may come back.
    public var restarts = 20
    /// What starts the ranks under Slurm.
    public var launcher = Launcher.srun
    /// Lines for the batch system, as in `--partition=long`.
    public var schedulerOptions: [String] = []
    /// Shell commands before the training, as in `module load openmpi`.
    public var setup: [String] = []
    /// The options of `train`; nil for a script that is given them when it is queued.
    public var options: [String]?
    /// The program.
    public var program = "unet-mpi"
    /// Where the script will lie, and what the job writes to; they matter where the options are part of the script.
    public var path = "", log = ""

    /// A job on so many hosts for so long.
    public init(_ scheduler: Scheduler, nodes: Int, time: TimeSpan) { (self.scheduler, self.nodes, self.time) = (scheduler, nodes, time) }

    /// The script.
    public var text: String { scheduler == .slurm ? slurm : pbs }

    /// A word of a shell command.
    public static func quoted(_ word: String) -> String {
        let plain = word.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "-_./=:,+@%".contains($0)) }
        return plain && !word.isEmpty ? word : "'" + word.replacingOccurrences(of: "'", with: #"'\''"#) + "'"
    }

    // MARK: - Slurm

    private var slurm: String {
        """
        #!/usr/bin/env bash
        # Training under Slurm that goes on by itself until it is done:
        #
        #     sbatch \(options == nil ? "train.sbatch --images train-volume.tif --labels train-labels.tif --validation 4 --output runs/isbi" : Self.quoted(path))
        #
        \(options == nil ? "# What follows the script's name are the options of `unet-mpi train`. " : "# ")Before the time is over, and when the job is preempted, the run
        # saves and ends with status 75; the job is then queued anew under the same number and goes on where it was, with the same bits.
        # Written by `unet-mpi submit`.\(options == nil ? " Adapt the lines below to your cluster: one rank a host or socket, with all its cores as threads, is the\n# usual best." : "")
        #SBATCH --job-name=unet-mpi
        #SBATCH --nodes=\(nodes)
        #SBATCH --ntasks-per-node=\(tasksPerNode)
        #SBATCH --cpus-per-task=\(cpusPerTask)
        #SBATCH --time=\(clock(days: true))
        #SBATCH --requeue
        #SBATCH --open-mode=append
        #SBATCH --output=\(options == nil ? "unet-mpi-%j.log" : log)
        # Two minutes before the end the batch shell gets SIGUSR1. train keeps an eye on the time itself; this is the second line of defence.
        #SBATCH --signal=B:USR1@120
        \(schedulerOptions.map { "#SBATCH \($0)\n" }.joined())set -uo pipefail

        # srun (with PMIx) or mpirun: UNET_LAUNCHER=mpirun sbatch …
        launcher=${UNET_LAUNCHER:-\(launcher.rawValue)}
        # How often the job may come back: a job that ends at once each time must not do so for ever.
        restarts=${UNET_RESTARTS:-\(restarts)}
        program=${UNET_MPI:-\(Self.quoted(program))}
        cpus=${SLURM_CPUS_PER_TASK:-1}
        \(optionLines(whenQueued: #"options=("$@")"#))

        case $launcher in
            # Without --kill-on-bad-exit the other ranks would wait for one that has died. Releases from 22.05 to 23.02 do not hand
            # --cpus-per-task on to srun.
            srun) launch=(srun "--mpi=${UNET_SRUN_MPI:-pmix}" --kill-on-bad-exit=1 "--cpus-per-task=$cpus") ;;
            mpirun) launch=(mpirun --map-by "slot:PE=$cpus" --bind-to core) ;;
            *) echo "UNET_LAUNCHER=$launcher: srun or mpirun" >&2 && exit 64 ;;
        esac

        \(keepalive)

        # In the background, because a shell that waits for a command in the foreground does not see its signals before that ends.
        "${launch[@]}" "$program" train "${options[@]}" &
        pid=$!
        # SIGTERM (preemption, scancel of the batch shell, the end of the time) becomes SIGUSR1, on which a run saves and ends: SIGTERM to mpirun
        # itself would leave the ranks a second.
        \(waiting)

        \(cases)
        if ((${SLURM_RESTART_COUNT:-0} >= restarts)); then
            echo "train: $why; this was restart ${SLURM_RESTART_COUNT:-0} of at most $restarts, so the job is not queued again" >&2
            exit "$status"
        fi
        echo "train: $why; queued again" >&2
        scontrol requeue "$SLURM_JOB_ID" || exit "$status"
        # Slurm ends this script in order to start it anew.
        sleep 60

        """
    }

    // MARK: - PBS

    private var pbs: String {
        let again = options == nil ? "UNET_OPTIONS=$UNET_OPTIONS," : ""
        return """
            #!/usr/bin/env bash
            # Training under PBS (OpenPBS, PBS Professional) that goes on by itself until it is done:
            #
            #     qsub \(options == nil ? "-v UNET_OPTIONS='--images train-volume.tif --labels train-labels.tif --output runs/isbi' train.pbs" : Self.quoted(path))
            #
            \(options == nil ? "# UNET_OPTIONS are the options of `unet-mpi train`, separated by blanks; a name with a blank in it goes into a file for --config. " : "# ")PBS sends
            # no signal before the time is over: train asks qstat how much was granted, saves before, and ends with status 75. The script then submits
            # itself again, and the run goes on where it was, with the same bits. Written by `unet-mpi submit`.\(options == nil ? " Adapt the lines below to your cluster." : "")
            #PBS -N unet-mpi
            #PBS -l select=\(nodes):ncpus=\(tasksPerNode * cpusPerTask):mpiprocs=\(tasksPerNode):ompthreads=\(cpusPerTask)
            #PBS -l walltime=\(clock(days: false))
            #PBS -r y
            #PBS -j oe
            \(options == nil ? "" : "#PBS -o \(log)\n")\(schedulerOptions.map { "#PBS \($0)\n" }.joined())set -uo pipefail

            # Jobs start in the home folder.
            cd "${PBS_O_WORKDIR:?start this with qsub}" || exit 74
            restart=${UNET_RESTART:-0}
            restarts=${UNET_RESTARTS:-\(restarts)}
            program=${UNET_MPI:-\(Self.quoted(program))}
            # PBS runs a copy of this file that is gone afterwards.
            script=${UNET_SCRIPT:-\(options == nil ? "$PBS_O_WORKDIR/train.pbs" : Self.quoted(path))}
            \(optionLines(whenQueued: #"read -r -a options <<<"${UNET_OPTIONS:?set it to the options of unet-mpi train}""#))

            \(keepalive)
            launch=(mpirun --map-by "slot:PE=${NCPUS:-\(cpusPerTask)}" --bind-to core)
            # Open MPI that was built with PBS support (tm) takes the hosts from the job; any other reads them from this file.
            if ! ompi_info --parsable 2>/dev/null | grep -q 'mca:ras:tm:'; then
                launch+=(--hostfile "${PBS_NODEFILE:?PBS gives no list of hosts}")
            fi

            "${launch[@]}" "$program" train "${options[@]}" &
            pid=$!
            # qdel and preemption send SIGTERM and, a little later, SIGKILL. SIGTERM to mpirun itself would leave the ranks a second.
            \(waiting)

            \(cases)
            if ((restart >= restarts)); then
                echo "train: $why; this was restart $restart of at most $restarts, so the job is not submitted again" >&2
                exit "$status"
            fi
            echo "train: $why; submitting again" >&2
            exec qsub -v "\(again)UNET_RESTART=$((restart + 1)),UNET_RESTARTS=$restarts,UNET_MPI=$program,UNET_SCRIPT=$script" "$script"

            """
    }

    // MARK: - Common parts

    private func optionLines(whenQueued line: String) -> String {
        let commands = setup.isEmpty ? "" : "\n" + setup.joined(separator: "\n")
        guard let options else { return line + commands }
        return "options=(\n" + Self.lines(options).map { "    \($0)\n" }.joined() + ")" + commands
    }

    /// Each option on a line with its value.
    private static func lines(_ words: [String]) -> [String] {
        var lines: [String] = []
        for word in words {
            if word.hasPrefix("--") || lines.isEmpty { lines.append(quoted(word)) } else { lines[lines.count - 1] += " " + quoted(word) }
        }
        return lines
    }

    private var keepalive: String {
        """
        # mpirun is to notice within 45 seconds that a host is out of reach; by default it takes more than eight minutes (Open MPI 4).
        export OMPI_MCA_oob_tcp_keepalive_time=20 OMPI_MCA_oob_tcp_keepalive_intvl=5 OMPI_MCA_oob_tcp_keepalive_probes=5
        """
    }

    private var waiting: String {
        """
        trap 'kill -USR1 "$pid" 2>/dev/null' USR1 TERM
        # A signal ends a wait, not the program.
        while kill -0 "$pid" 2>/dev/null; do wait "$pid"; done
        wait "$pid"
        status=$?
        """
    }

    private var cases: String {
        """
        case $status in
            75) why='saved and stopped' ;;
            76) why='a rank failed or stalled; the last checkpoint is intact' ;;
            0) exit 0 ;;
            *)
                case $status in
                    64 | 65 | 66) why='the options or the data are wrong' ;;
                    74) why='reading or writing failed' ;;
                    77) why='a loss is not finite' ;;
                    78) why='the network has collapsed' ;;
                    *) why="ended with status $status" ;;
                esac
                echo "train: $why; see above. The job is not queued again" >&2
                exit "$status"
                ;;
        esac
        """
    }

    /// `08:00:00`, with `days` `1-12:00:00` from a day on.
    private func clock(days: Bool) -> String {
        let total = Int(time.seconds.rounded(.up)), hours = total / 3600
        func two(_ value: Int) -> String { value < 10 ? "0\(value)" : "\(value)" }
        let rest = "\(two(total / 60 % 60)):\(two(total % 60))"
        return days && hours >= 24 ? "\(hours / 24)-\(two(hours % 24)):\(rest)" : "\(two(hours)):\(rest)"
    }
}
