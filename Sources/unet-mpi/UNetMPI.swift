import ArgumentParser
import DataParallel
import Foundation
import Imaging
import Interchange
import Training

/// The program: `unet-mpi <subcommand>`.
@main
struct UNetMPI: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "unet-mpi",
        abstract: "Trains U-Nets for biomedical images on CPU clusters, and predicts and scores with them.",
        discussion: """
            Each subcommand runs alone or under mpirun, with the same result:

              unet-mpi sample --output data
              mpirun -np 2 unet-mpi train --images data/train-volume.tif \\
                  --labels data/train-labels.tif --validation 2 --output runs/first
              unet-mpi predict --checkpoint runs/first/checkpoints/best.h5 \\
                  --images data/test-volume.tif --output prediction.tif
              unet-mpi evaluate --prediction prediction.tif --labels data/test-labels.tif

            Exit status: 0 done, 64 usage, 65 bad input, 66 missing input, 70 internal error, 74 input or output failed, 75 stopped by a signal or \
            time limit after saving (run the same command again), 76 another rank failed or stalled, 77 a loss is not finite, 78 the network \
            has collapsed.
            """,
        version: programVersion,
        subcommands: [
            Check.self, Initialize.self, Train.self, Report.self, Stop.self, Submit.self, Predict.self, Evaluate.self, Augment.self,
            Sample.self, Split.self, Merge.self, Export.self, Import.self, Info.self, Bench.self, DoctorCommand.self,
        ])

    static func main() {
        // What this process does when it was started by another to read a file for it.
        let words = Array(CommandLine.arguments.dropFirst())
        if words.first == ReaderService.command { ReaderService.run(words, status: exitStatus(of:), open: ReaderService.named) }
        // HDF5 of strangers is read by this program again, in a process of its own.
        ReaderProcess.program = "/proc/self/exe"
        do {
            var command = try parseAsRoot()
            try command.run()
        } catch {
            end(error)
        }
    }

    /// Ends this process because of an error outside of a parallel job, or of `--help`. Under a launcher all ranks come here for the
    /// same reason, and rank 0 speaks for all.
    private static func end(_ error: any Error) -> Never {
        let isParsing = !(error is any ExitStatusProviding)
        let status = isParsing ? exitCode(for: error).rawValue : exitStatus(of: error)
        if LauncherRank.current != 0 {
            if status == 0 { Glibc.exit(0) }
            // The launcher ends all ranks by SIGTERM when rank 0 ends; had rank 0 no such error, it is this host's alone.
            signal(SIGTERM, SIG_DFL)
            sleep(5)
            if !isParsing { Console.standardError.write("rank \(LauncherRank.current) (\(ProcessInfo.processInfo.hostName)): \(error)") }
            Glibc.exit(status)
        }
        if isParsing {
            let text = fullMessage(for: error)
            if status == 0 { print(text) } else { Console.standardError.write(text) }
        } else {
            Console.standardError.write("\(error)")
        }
        Glibc.exit(status)
    }
}

/// This process's number among those that a launcher started, from the environment: for what happens without MPI.
enum LauncherRank {
    static let current = Launcher.declaredRank ?? 0

    /// For subcommands that are one process's work: the other ranks have nothing to do.
    static func leaveUnlessFirst() {
        if current != 0 { Glibc.exit(0) }
    }
}
