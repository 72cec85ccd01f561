import ArgumentParser
import Foundation
import Imaging
import Training

/// `unet-mpi submit`
struct Submit: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Writes a batch script that trains until it is done, and queues it with Slurm or PBS.",
        discussion: """
            unet-mpi submit --scheduler slurm --nodes 4 --time 8h --cpus-per-task 32 -- \\
                --config train.yaml --output runs/isbi
            unet-mpi submit --scheduler pbs --nodes 2 --time 24h --print -- \\
                --images a.tif --labels b.tif --output runs/isbi
            unet-mpi submit --scheduler slurm --nodes 2 --time 8h --print > train.sbatch

            What follows -- are the options of train, which are checked before anything is queued. The script, OUTPUT.sbatch or OUTPUT.pbs beside \
            the run folder, saves before the time is over, queues itself again on status 75 and 76 at most --restarts times, goes on where it \
            was, and appends to its log. An end for another reason, and unet-mpi stop, are final. With --print and without options of train it \
            is the script of examples/, which is given them when it is queued.
            """)

    @Option(help: ArgumentHelp("Batch system.", valueName: "slurm|pbs")) var scheduler: BatchScript.Scheduler
    @Option(help: ArgumentHelp("Hosts.", valueName: "N")) var nodes: Int
    @Option(
        help: ArgumentHelp("Time of a job, as in 45m, 8h, 1d12h or 8:00:00; a training that takes longer comes back.", valueName: "TIME"))
    var time: String
    @Option(help: ArgumentHelp("Ranks of a host.", valueName: "N")) var tasksPerNode = 1
    @Option(help: ArgumentHelp("Cores of a rank, each of which gets a thread.", valueName: "N")) var cpusPerTask = 1
    @Option(help: ArgumentHelp("What starts the ranks under Slurm.", valueName: "srun|mpirun")) var launcher = BatchScript.Launcher.srun
    @Option(help: ArgumentHelp("How often the job may be queued again.", valueName: "N")) var restarts = 20
    @Option(
        parsing: .unconditionalSingleValue,
        help: ArgumentHelp("Line for the batch system, as in --partition=long or '-q long'; may be given several times.", valueName: "TEXT")
    )
    var schedulerOption: [String] = []
    @Option(
        help: ArgumentHelp(
            "Shell command before the training, as in 'module load openmpi'; may be given several times.", valueName: "COMMAND"))
    var setup: [String] = []
    @Flag(help: "Write the script to standard output and queue nothing.") var print = false
    @OptionGroup var messages: MessageOptions
    @Argument(parsing: .postTerminator, help: ArgumentHelp("Options of train.", valueName: "train options")) var options: [String] = []

    func validate() throws {
        for (name, value) in [("nodes", nodes), ("tasks-per-node", tasksPerNode), ("cpus-per-task", cpusPerTask)]
        where !(1...100_000).contains(value) {
            throw ValidationError("--\(name) \(value): an integer from 1 to 100000 is allowed")
        }
        if !(0...100_000).contains(restarts) { throw ValidationError("--restarts \(restarts): an integer from 0 to 100000 is allowed") }
        guard let span = TimeSpan(time), (60...31_536_000).contains(span.seconds) else {
            throw ValidationError("--time \(time): a time with its unit, as in 45m, 8h, 1d12h or 8:00:00, of at least a minute is allowed")
        }
        if let line = (schedulerOption + setup).first(where: { $0.contains(where: \.isNewline) }) {
            throw ValidationError("'\(line)': one line is allowed")
        }
        if options.isEmpty && !print {
            throw ValidationError(
                "the options of train are missing: put them behind --, or add --print for a script that is given them later")
        }
    }

    func run() throws {
        LauncherRank.leaveUnlessFirst()
        let logger = messages.logger()
        var script = BatchScript(scheduler, nodes: nodes, time: TimeSpan(time)!)
        (script.tasksPerNode, script.cpusPerTask, script.launcher, script.restarts) = (tasksPerNode, cpusPerTask, launcher, restarts)
        (script.schedulerOptions, script.setup) = (schedulerOption, setup)
        guard !options.isEmpty else { return Swift.print(script.text, terminator: "") }

        let configuration = try trainConfiguration()
        // The hosts of the job may see files that this one does not.
        for path in configuration.images.paths + configuration.labels.paths where (try? VolumeReader(path)) == nil {
            logger.warning("\(path): cannot be opened here; on the hosts of the job it must be")
        }
        let base = (configuration.output as NSString).standardizingPath
        let file = "\(base).\(scheduler == .slurm ? "sbatch" : "pbs")"
        let folder = FileManager.default.currentDirectoryPath
        func absolute(_ path: String) -> String { path.hasPrefix("/") ? path : "\(folder)/\(path)" }
        script.options = options
        script.program = Bundle.main.executablePath ?? "unet-mpi"
        script.path = absolute(file)
        script.log = scheduler == .slurm ? "\(absolute(base))-%j.log" : "\(absolute(base)).log"
        if print { return Swift.print(script.text, terminator: "") }
        try BatchSubmission.write(script, to: file)
        let answer = try BatchSubmission.send(script, file)
        logger.notice("wrote \(file)")
        Swift.print(answer)
    }

    /// What `train` would make of its options.
    private func trainConfiguration() throws -> TrainingConfiguration {
        let train: Train
        do {
            train = try Train.parse(options)
        } catch {
            throw TrainingError(.usage, "the options of train: \(Train.message(for: error))")
        }
        return try TrainingConfiguration(file: train.config, options: train.training.given)
    }
}

extension BatchScript.Scheduler: ExpressibleByArgument {}
extension BatchScript.Launcher: ExpressibleByArgument {}
