import ArgumentParser
import DataParallel
import Foundation
import Training

/// `unet-mpi doctor`
struct DoctorCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor",
        abstract: "Checks everything outside of the program that a training depends on, and says what to change.",
        discussion: """
            unet-mpi doctor
            mpirun --hostfile hosts -np 4 unet-mpi doctor --output /scratch/runs

            Start it just as you would start train: same launcher, hosts and binding. A line says OK, warning or error, and what to do about it \
            below. Exit status: 0, with warnings too; 1 with an error.
            """)

    @Option(
        help: ArgumentHelp(
            "Folder for results: is it writable, fast, shared, does locking work there. (default: none, these are not checked)",
            valueName: "FOLDER"), completion: .directory)
    var output: String?
    @Flag(help: "One JSON object instead of text.") var json = false

    func run() {
        let isFirst = LauncherRank.current == 0
        if isFirst { BatchSystem.ask() }
        var status: Int32 = 0
        World.run(
            { world in
                let report = try Doctor.examine(communicator: world.communicator, threadLevel: world.threadLevel, output: output)
                if world.communicator.rank == 0 { print(json ? report.json : report.text) }
                status = report.exitStatus
            },
            cannotBegin: { error in
                let report = Doctor.report(of: error)
                if isFirst { print(json ? report.json : report.text) }
                World.abort(report.exitStatus)
            })
        Glibc.exit(status)
    }
}
