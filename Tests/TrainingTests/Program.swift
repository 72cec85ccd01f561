import Foundation
import Imaging
import TestSupport
import Testing

/// Runs the built `unet-mpi`, alone or under mpirun.
struct Program {
    struct Outcome {
        var status: Int32
        var output: String
        var errors: String
        var seconds: Double

        /// How often a text stands on standard error.
        func count(_ text: String) -> Int { errors.components(separatedBy: text).count - 1 }
    }

    /// The program lies beside the test bundle.
    static let path: String = {
        let tests = try! FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        return (tests as NSString).deletingLastPathComponent + "/unet-mpi"
    }()

    /// Starts the program with these arguments on `ranks` ranks, of this machine or of a cluster; 0 means without mpirun. Each is started
    /// by the command `through`, if there is one.
    static func start(
        _ arguments: [String], ranks: Int, on cluster: VirtualCluster? = nil, through: [String] = [], errors: Pipe, output: Pipe,
        environment added: [String: String] = [:]
    ) throws -> Process {
        let process = Process()
        let launcher = cluster?.launcher(ranks: ranks) ?? MPILauncher.command(ranks: ranks)
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = (ranks == 0 ? [] : launcher) + through + [path] + arguments
        let environment = ProcessInfo.processInfo.environment
        process.environment = environment.merging(MPILauncher.environment) { $1 }.merging(added) { $1 }
        process.standardError = errors
        process.standardOutput = output
        try withoutBlockedSignals { try process.run() }
        return process
    }

    /// The threads that tests run on block most signals, and a child inherits that.
    static func withoutBlockedSignals(_ body: () throws -> Void) rethrows {
        var none = sigset_t(), old = sigset_t()
        sigemptyset(&none)
        pthread_sigmask(SIG_SETMASK, &none, &old)
        defer { pthread_sigmask(SIG_SETMASK, &old, nil) }
        try body()
    }

    /// Runs to the end. A run that takes longer than `limit` seconds, times `ProgramRun.patience`, is killed and fails the test.
    @discardableResult
    static func run(
        _ arguments: [String], ranks: Int = 0, on cluster: VirtualCluster? = nil, through: [String] = [], limit: Double = 60,
        environment: [String: String] = [:], sourceLocation: SourceLocation = #_sourceLocation
    ) throws -> Outcome {
        let errors = Pipe(), output = Pipe(), began = ContinuousClock.now, limit = limit * ProgramRun.patience
        let process = try start(
            arguments, ranks: ranks, on: cluster, through: through, errors: errors, output: output, environment: environment)
        let watchdog = Thread {
            while process.isRunning && ContinuousClock.now - began < .seconds(limit) { usleep(50_000) }
            if process.isRunning { kill(process.processIdentifier, SIGKILL) }
        }
        watchdog.start()
        let reader = Reader(errors)
        let text = String(decoding: (try? output.fileHandleForReading.readToEnd()) ?? Data(), as: UTF8.self)
        process.waitUntilExit()
        let seconds = (ContinuousClock.now - began) / .seconds(1)
        #expect(seconds < limit, "\(arguments) took \(seconds) s", sourceLocation: sourceLocation)
        return Outcome(status: process.terminationStatus, output: text, errors: reader.text(), seconds: seconds)
    }

    /// Reads one pipe while another is being read.
    final class Reader: @unchecked Sendable {
        private var data = Data()
        private let done = DispatchSemaphore(value: 0)

        init(_ pipe: Pipe) {
            Thread { [self] in
                data = (try? pipe.fileHandleForReading.readToEnd()) ?? Data()
                done.signal()
            }.start()
        }

        func text() -> String {
            done.wait()
            return String(decoding: data, as: UTF8.self)
        }
    }

    /// The hashes and scores that `info` prints of a checkpoint.
    static func info(_ path: String) throws -> [String: String] {
        let outcome = try run(["info", path, "--json"])
        let object = try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any]
        return try #require(object, "\(outcome.errors)").mapValues { "\($0)" }
    }
}

/// A small volume of bright cells and dark walls, with labels, that a tiny network learns something from.
struct SmallVolume {
    let folder = TemporaryFolder()
    let height = 40, width = 48, pages = 6

    var images: String { folder / "images.tif" }
    var labels: String { folder / "labels.tif" }

    init() throws {
        try write("images.tif") { page, y, x in isWall(page, y, x) ? 60 + noise(page, y, x) : 170 + noise(page, y, x) }
        try write("labels.tif") { page, y, x in isWall(page, y, x) ? 0 : 255 }
    }

    private func isWall(_ page: Int, _ y: Int, _ x: Int) -> Bool { (y + 3 * page) % 13 < 3 || (x + y / 4 + 5 * page) % 17 < 3 }
    private func noise(_ page: Int, _ y: Int, _ x: Int) -> Float { Float((page * 7919 + y * 104_729 + x * 1_299_709) % 61) - 30 }

    /// Writes a volume of this size, or of another one.
    @discardableResult
    func write(
        _ name: String, pages: Int? = nil, height: Int? = nil, type: PixelType = .uint8, _ value: (Int, Int, Int) -> Float
    ) throws -> String {
        let shape = VolumeShape(pages: pages ?? self.pages, height: height ?? self.height, width: width)
        let writer = try makeVolumeWriter(path: folder / name, shape: shape, pixelType: type)
        for page in 0..<shape.pages {
            let samples = (0..<shape.height).flatMap { y in (0..<shape.width).map { x in value(page, y, x) } }
            try samples.withUnsafeBufferPointer { try writer.append($0) }
        }
        try writer.close()
        return folder / name
    }

    /// Arguments of a short training of a tiny network; `more` may name other inputs.
    func training(_ output: String, steps: Int = 20, _ more: String...) -> [String] {
        ["train"] + (more.contains("--images") ? [] : ["--images", images]) + (more.contains("--labels") ? [] : ["--labels", labels]) + [
            "--output", folder / output, "--steps", "\(steps)", "--batch-size", "4",
            "--crop", "32",
            "--base-channels", "4", "--depth", "2", "--validation", "2", "--learning-rate", "0.001", "--checkpoint-every", "5",
            "--validate-every", "10",
            "--threads", "1",
        ] + more
    }

    func checkpoint(_ output: String, step: Int) -> String {
        folder / "\(output)/checkpoints/step-\(String(repeating: "0", count: 8 - "\(step)".count))\(step).h5"
    }
}
