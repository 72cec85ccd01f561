import Foundation
import Imaging
import TestSupport
import Testing
import Training

@Suite struct CheckpointTests {
    let folder = TemporaryFolder()

    func checkpoint(step: Int = 600, count: Int = 18) -> Checkpoint {
        var configuration = TrainingConfiguration()
        (configuration.images, configuration.labels, configuration.output, configuration.seed) = ("a.tif", "b.tif", "run", UInt64.max)
        configuration.baseChannels = 4
        var progress = TrainingProgress()
        progress.step = step
        progress.position = 8 * step
        progress.best = .init(score: -0.1, step: 500)
        progress.lossSum = 1 / 3
        let seed = UInt64(step)
        return Checkpoint(
            configuration: configuration, progress: progress,
            data: .init(fingerprint: "0123", normalization: .divide(by: 255), channels: 1),
            metrics: ["loss": 0.1, "validation_accuracy": 2 / 3],
            parameters: [
                .init(
                    name: "conv1a.weight", shape: [count / 9, 1, 3, 3], values: testNumbers(count, seed: seed),
                    average: testNumbers(count, seed: seed + 3),
                    optimizerState: [
                        "first_moment": testNumbers(count, seed: seed + 1), "second_moment": testNumbers(count, seed: seed + 2),
                    ]),
                .init(
                    name: "conv1a.bias", shape: [2], values: [1, -0.0], average: [5, 6],
                    optimizerState: ["first_moment": [.leastNonzeroMagnitude, 2], "second_moment": [3, 4]]),
            ])
    }

    func store(_ files: any FileOperations = SystemFiles(), keep: Int = 2) -> CheckpointStore {
        CheckpointStore(folder: folder.path, keep: keep, files: files)
    }

    func expectEqual(_ a: Checkpoint, _ b: Checkpoint, sourceLocation: SourceLocation = #_sourceLocation) {
        #expect(
            a.configuration == b.configuration && a.progress == b.progress && a.data == b.data && a.metrics == b.metrics,
            sourceLocation: sourceLocation)
        #expect(a.parametersHash == b.parametersHash && a.optimizerHash == b.optimizerHash, sourceLocation: sourceLocation)
        #expect(a.parameters == b.parameters, sourceLocation: sourceLocation)
    }

    @Test func roundTrip() throws {
        let written = checkpoint()
        #expect(try store().save(written, isBest: true).isEmpty)
        #expect(store().path(step: 600).hasSuffix("/step-00000600.h5"))
        for path in [store().path(step: 600), store().bestPath] {
            expectEqual(try Checkpoint(path: path), written)
            #expect(try Checkpoint.isCheckpoint(path: path))
        }
        #expect(try written.file(named: "a").image == written.file(named: "b").image, "the same state must give the same bytes")
        #expect(written.parametersHash != checkpoint(step: 601).parametersHash)
    }

    /// Other programs read the file in spite of the seal behind it.
    @Test func h5dumpOpensIt() throws {
        _ = try store().save(checkpoint(), isBest: false)
        let dump = Process(), output = Pipe()
        dump.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        dump.arguments = [
            "h5dump", "-a", "/step", "-d", "/parameters/conv1a.bias", "-d", "/optimizer/second_moment/conv1a.bias", store().path(step: 600),
        ]
        dump.standardOutput = output
        try dump.run()
        let text = String(decoding: try output.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
        dump.waitUntilExit()
        #expect(dump.terminationStatus == 0 && text.contains("(0): 600") && text.contains("(0): 3, 4"), "\(text)")
    }

    @Test func theOldestAreDeletedAndTheBestStays() throws {
        for step in 1...5 { _ = try store(keep: 3).save(checkpoint(step: step), isBest: step == 2) }
        #expect(try store().steps() == [3, 4, 5])
        #expect(try Checkpoint(path: store().bestPath).progress.step == 2)
    }

    func refusal(_ bytes: [UInt8]) throws -> String {
        let path = folder / "bad.h5"
        try Data(bytes).write(to: URL(fileURLWithPath: path))
        do {
            _ = try Checkpoint(path: path)
            return "accepted"
        } catch let error as TrainingError {
            #expect(error.kind == .invalid && error.description.hasPrefix("\(path): ") && !error.description.contains("\n"), "\(error)")
            return error.description
        }
    }

    @Test func damageIsNoticedAtEveryByte() throws {
        let (image, seal) = try checkpoint().file(named: "a")
        let good = image + seal
        for position in Array(stride(from: 0, to: image.count, by: 97)) + Array(image.count..<good.count) {
            var bytes = good
            bytes[position] ^= 1 << UInt8(position % 8)
            #expect(try refusal(bytes) != "accepted", "byte \(position)")
        }
        for length in [0, 1, 95, 96, 97, good.count / 2, image.count, good.count - 1] {
            #expect(try refusal(Array(good.prefix(length))) != "accepted", "cut to \(length)")
        }
        #expect(try refusal(good + [0]).contains("not a complete checkpoint"))
        #expect(try refusal(image + [0] + seal).contains("damaged: it should hold"))
    }

    /// Nothing of how far a run has come may be lost, or a resumed run is another one; older checkpoints know less.
    @Test func progressReadsBack() throws {
        var progress = TrainingProgress(), skipped = TrainingProgress.Skipped()
        (skipped.total, skipped.recent) = (5, 2)
        (progress.step, progress.position, progress.lossSum, progress.validationsSinceBest) = (30, 120, 1.5, 4)
        progress.best = .init(score: 0.9, metric: "dice", step: 20)
        progress.skipped = skipped
        #expect(try JSONDecoder().decode(TrainingProgress.self, from: JSONEncoder().encode(progress)) == progress)
        #expect(progress.updates == 25)
        let old = try JSONDecoder().decode(TrainingProgress.self, from: Data(#"{"step":7,"position":28,"lossSum":0.5}"#.utf8))
        #expect(old.step == 7 && old.position == 28 && old.lossSum == 0.5 && old.updates == 7 && old.best == nil)
    }

    @Test func otherFilesAreNamedForWhatTheyAre() throws {
        #expect(try refusal([]).contains("empty"))
        #expect(
            try refusal(
                Array(
                    "text, not a checkpoint, but long enough that it could end in a seal: it has to be a little longer than 96 bytes for that, so here it goes on"
                        .utf8)
            ).contains("seal"))
        let other = try HDF5File(inMemoryNamed: "other")
        try other.write([Float](repeating: 1, count: 3), shape: [3], to: "/data")
        #expect(try refusal(other.image()).contains("another program's"))
        #expect(try refusal(other.image() + Checkpoint.seal(of: other.image())).contains("not a checkpoint of unet-mpi"))
        try other.setAttribute("format", to: "unet-mpi checkpoint")
        try other.setAttribute("format_version", to: Int64(2))
        try other.setAttribute("program_version", to: "9.0")
        #expect(try refusal(other.image() + Checkpoint.seal(of: other.image())).contains("newer unet-mpi (format 2, program 9.0)"))
        #expect {
            try Checkpoint(path: folder / "none.h5")
        } throws: { ($0 as? TrainingError)?.kind == .missing && "\($0)".contains("none.h5") }
    }

    @Test func aDamagedNewestIsNamedAndTheOneBeforeUsed() throws {
        #expect(try store().newest() == nil)
        for step in 1...3 { _ = try store(keep: 3).save(checkpoint(step: step), isBest: false) }
        try Data("damaged".utf8).write(to: URL(fileURLWithPath: store().path(step: 3)))
        let found = try #require(try store().newest())
        #expect(found.checkpoint.progress.step == 2 && found.warnings.count == 1 && found.warnings[0].hasPrefix(store().path(step: 3)))
        for step in 1...2 { try Data("damaged".utf8).write(to: URL(fileURLWithPath: store().path(step: step))) }
        #expect {
            try store().newest()
        } throws: { ($0 as? TrainingError)?.kind == .invalid && "\($0)".contains(store().path(step: 3)) }
    }

    /// The n-th file operation of a save fails, for n = 1, 2, 3 … until a save passes, once and for ever: afterwards the folder holds
    /// the old checkpoint or the new one, whole, and the next save works.
    @Test(arguments: FaultyFiles.Fault.allCases, [false, true])
    func aSaveThatFailsLeavesOldOrNew(_ fault: FaultyFiles.Fault, forEver: Bool) throws {
        let old = checkpoint(step: 1), new = checkpoint(step: 2)
        var passed = false
        for n in 1...200 where !passed {
            for name in try FileManager.default.contentsOfDirectory(atPath: folder.path) {
                try FileManager.default.removeItem(atPath: folder / name)
            }
            _ = try store().save(checkpoint(step: 0), isBest: true)
            _ = try store().save(old, isBest: false)
            let files = FaultyFiles(fault, at: n, forEver: forEver)
            do {
                _ = try store(files).save(new, isBest: true)
                passed = files.operations < n
                expectEqual(try #require(try store().newest()).checkpoint, new)
            } catch let error as TrainingError {
                #expect(error.kind == .inputOutput && error.description.contains(folder.path), "operation \(n): \(error)")
                let found = try #require(try store().newest(), "operation \(n)")
                #expect(found.warnings.isEmpty, "operation \(n): \(found.warnings)")
                expectEqual(found.checkpoint, found.checkpoint.progress.step == 2 ? new : old)
            }
            let best = try Checkpoint(path: store().bestPath).progress.step
            #expect(best == 0 || best == 2, "operation \(n)")
            try store().removeLeftovers()
            _ = try store().save(new, isBest: false)
            expectEqual(try #require(try store().newest()).checkpoint, new)
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).filter { !$0.hasSuffix(".h5") } == [])
        }
        #expect(passed)
    }

    /// The n-th operation of a load fails: an error or the right checkpoint, never a wrong one.
    @Test(arguments: [false, true]) func aLoadThatFails(forEver: Bool) throws {
        let written = checkpoint()
        _ = try store().save(written, isBest: false)
        var passed = false
        for n in 1...50 where !passed {
            let files = FaultyFiles(.inputOutput, at: n, forEver: forEver)
            do {
                expectEqual(try #require(try store(files).newest()).checkpoint, written)
                passed = files.operations < n
            } catch { #expect(error is TrainingError, "operation \(n): \(error)") }
        }
        #expect(passed)
    }

    /// The n-th operation fails while a run is taken up again: clearing away what a dead writer left, counting the attempt, forgetting it. It
    /// is an error or it works; the checkpoint is there afterwards, and the next time everything works.
    @Test(arguments: FaultyFiles.Fault.allCases, [false, true])
    func aResumeThatFails(_ fault: FaultyFiles.Fault, forEver: Bool) throws {
        let written = checkpoint()
        var passed = false
        for n in 1...100 where !passed {
            for name in try FileManager.default.contentsOfDirectory(atPath: folder.path) {
                try FileManager.default.removeItem(atPath: folder / name)
            }
            _ = try store().save(written, isBest: false)
            // What a writer that was killed leaves.
            try Data([1, 2, 3]).write(to: URL(fileURLWithPath: store().path(step: 9) + ".writing-1"))
            let files = FaultyFiles(fault, at: n, forEver: forEver)
            do {
                try store(files).removeLeftovers()
                let found = try #require(try store(files).newest())
                var attempts = ResumeAttempts(folder: folder.path, files: files)
                try attempts.begin(from: found.checkpoint.progress.step)
                try attempts.end()
                passed = files.operations < n
            } catch { #expect(error is TrainingError, "operation \(n): \(error)") }
            try store().removeLeftovers()
            var attempts = ResumeAttempts(folder: folder.path)
            let step = written.progress.step
            #expect(attempts.refusal(of: step) == nil, "operation \(n)")
            expectEqual(try #require(try store().newest()).checkpoint, written)
            try attempts.begin(from: step)
            try attempts.end()
            #expect(!FileManager.default.fileExists(atPath: folder / "resumes.json"), "operation \(n)")
        }
        #expect(passed)
    }

    /// A call that a signal interrupts is made again; any other failure is an error with its reason.
    @Test func interruptedCallsAreRepeated() throws {
        var calls = 0
        let result = try SystemFiles.repeated("write", "file") { () -> Int in
            calls += 1
            errno = EINTR
            return calls < 4 ? -1 : 17
        }
        #expect(result == 17 && calls == 4)
        #expect {
            _ = try SystemFiles.repeated("write", "file") { () -> Int in
                errno = ENOSPC
                return -1
            }
        } throws: { ($0 as? TrainingError)?.kind == .inputOutput && "\($0)".contains("file: cannot write: No space left") }
    }
}
