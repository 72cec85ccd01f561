import ArgumentParser
import DataParallel
import Foundation
import Imaging
import Logging
import Training

/// How much a subcommand tells on standard error.
struct MessageOptions: ParsableArguments {
    @Flag(help: "Only warnings and errors.")
    var quiet = false

    @Flag(help: "Also what is of interest when something goes wrong.")
    var verbose = false

    func validate() throws {
        if quiet && verbose { throw ValidationError("--quiet and --verbose contradict each other") }
    }

    /// The logger of a rank. Messages of rank 0 go without its number; the other ranks' warnings name them.
    func logger(rank: Int = 0) -> Logger {
        let level: Logger.Level = quiet ? .warning : verbose ? .debug : .notice
        var logger = Logger(label: "unet-mpi") { _ in ConsoleLogHandler(level: rank == 0 ? level : max(level, .warning)) }
        if rank != 0 { logger[metadataKey: "rank"] = "\(rank)" }
        return logger
    }
}

/// How large a page may be of the volumes that a subcommand reads.
struct ImageLimitOptions: ParsableArguments {
    @Option(help: ArgumentHelp(stringLiteral: ImageLimit.explanation).with(valueName: "N")) var maxImagePixels = ImageLimit.standard

    func validate() throws {
        guard (1...1 << 40).contains(maxImagePixels) else {
            throw ValidationError("--max-image-pixels \(maxImagePixels): an integer from 1 to \(1 << 40) is allowed")
        }
        ImageLimit.samples = maxImagePixels
    }
}

/// Threads of a subcommand that computes.
struct ThreadOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Threads of each rank; auto: the cores of its affinity mask, shared with the ranks that have the same.", valueName: "auto|N"))
    var threads = "auto"

    func validate() throws {
        if threads != "auto" && !(Int(threads).map { (1...4096).contains($0) } ?? false) {
            throw ValidationError("--threads \(threads): auto or an integer from 1 to 4096 is allowed")
        }
    }

    var count: Int? { Int(threads) }
}

/// Runs a job on all ranks, ends MPI, and ends the program with the status that `body` returns.
func runOnAllRanks(limits: Watchdog.Limits = .standard, _ body: (Communicator) throws -> Int32) -> Never {
    var status: Int32 = 0
    World.run(limits: limits) { world in status = try body(world.communicator) }
    exit(status)
}
