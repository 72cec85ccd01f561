import Foundation
import FuzzTargets
import Imaging
import TestSupport
import Testing
import Training

/// What `Fuzzing/run` begins with, has found, and has failed by, given to every reader again: each input is read or refused by one of our errors, and
/// nothing crashes.
@Suite struct HostileFilesTests {
    private static let package = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().path

    /// The files of the corpora, and of the tests of volumes, checkpoints and strangers' HDF5: by target where they belong to one.
    private static func inputs() throws -> [(name: String, bytes: [UInt8])] {
        let folders =
            ["Fuzzing/Corpus", "Fuzzing/FailingInputs"].flatMap { parent in
                FuzzTarget.allCases.map { "\(parent)/\($0.rawValue)" }
            } + ["Tests/ImagingTests/Fixtures", "Tests/TrainingTests/Fixtures/strangers", "Tests/TrainingTests/Fixtures/format-1"]
        return try folders.flatMap { folder -> [(name: String, bytes: [UInt8])] in
            // A target that has never failed has no failing inputs.
            guard FileManager.default.fileExists(atPath: "\(package)/\(folder)") else { return [] }
            return try FileManager.default.contentsOfDirectory(atPath: "\(package)/\(folder)").sorted().compactMap { name in
                let file = URL(fileURLWithPath: "\(package)/\(folder)/\(name)")
                // Python programs and their figures are not files for a reader.
                guard ![".py", ".json"].contains(where: name.hasSuffix) else { return nil }
                return ("\(folder)/\(name)", [UInt8](try Data(contentsOf: file)))
            }
        }
    }

    @Test(arguments: FuzzTarget.allCases) func corporaAreReadOrRefused(_ target: FuzzTarget) throws {
        let inputs = try Self.inputs(), folder = try ScratchFolder()
        #expect(inputs.count > 200)
        var read = 0, refused = 0
        for (name, bytes) in inputs {
            do {
                switch try bytes.withUnsafeBytes({ try target.run($0, in: folder, reader: Program.path) }) {
                case .read: read += 1
                case .refused(let text):
                    refused += 1
                    #expect(!text.isEmpty)
                case .skipped: break
                }
            } catch { Issue.record("\(target.rawValue), \(name): \(error)") }
        }
        // Corpora of which nothing is read, or nothing is refused, would test nothing.
        #expect(read > 0 && refused > 0, "\(target.rawValue): \(read) read, \(refused) refused")
    }

    /// The files of HDF Group's list of vulnerabilities, https://github.com/HDFGroup/cve_hdf5, in the folder that UNET_CVE_HDF5 names: of each what
    /// can be read, or one of our errors, and the program goes on.
    @Test(
        .enabled(
            if: ProcessInfo.processInfo.environment["UNET_CVE_HDF5"] != nil,
            "needs a clone of github.com/HDFGroup/cve_hdf5, named by UNET_CVE_HDF5; scripts/test --all makes one"))
    func knownVulnerabilities() throws {
        let clone = try #require(ProcessInfo.processInfo.environment["UNET_CVE_HDF5"]), folder = try ScratchFolder()
        var outcomes: [String: Int] = [:], count = 0
        for part in ["cvefiles", "fuzzerfiles"] {
            for name in try FileManager.default.contentsOfDirectory(atPath: "\(clone)/\(part)").sorted() {
                let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: "\(clone)/\(part)/\(name)")))
                let outcome = try bytes.withUnsafeBytes { try FuzzTarget.hdf5.run($0, in: folder, reader: Program.path) }
                if case .skipped = outcome { continue }
                count += 1
                switch outcome {
                case .read: outcomes["read", default: 0] += 1
                case .refused(let text):
                    let what = ["crashed", "processor time", "ended early", "within"].first(where: text.contains) ?? "refused"
                    outcomes[what, default: 0] += 1
                case .skipped: break
                }
            }
        }
        #expect(count >= 140)
        print(
            "files of HDF Group's list: \(count): \(outcomes.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(separator: ", "))"
        )
    }

    /// A file names others on the disk in four ways. None is followed: a file that somebody sends must not say which of the user's own files are read.
    @Test func hdf5StaysInItsFile() throws {
        let folder = TemporaryFolder(), secret = folder / "secret.h5", raw = folder / "secret.raw"
        let writer = try makeVolumeWriter(path: "\(secret):/raw", shape: VolumeShape(pages: 2, height: 4, width: 4), pixelType: .uint8)
        for _ in 0..<2 { try [Float](repeating: 7, count: 16).withUnsafeBufferPointer { try writer.append($0) } }
        try writer.close()
        try Data(repeating: 7, count: 32).write(to: URL(fileURLWithPath: raw))
        let run = try Readers.run("Fixtures/links_out.py", [folder.path, secret, raw])
        try #require(run.status == 0, "\(run)")
        for (name, expected) in [
            ("external.h5:/raw", "/raw is a link to another file"), ("external.h5:/group/raw", "/group is a link to another file"),
            ("soft.h5:/raw", "there is no /raw"), ("raw.h5", "lie in files of their own"), ("virtual.h5", "lie in the file"),
        ] {
            let outcome = try Program.run(["info", folder / name])
            #expect(
                [65, 66].contains(outcome.status) && outcome.errors.contains(expected) && outcome.output.isEmpty, "\(name): \(outcome)")
        }
        // A virtual dataset of the file's own numbers is none of these.
        let own = try Program.run(["info", folder / "own.h5:/all", "--json"])
        #expect(own.status == 0 && own.output.contains("\"pages\": 2"), "\(own)")
    }

    /// Pages larger than --max-image-pixels are refused when a file is opened, by every subcommand that reads volumes.
    @Test func largePagesAreRefused() throws {
        let folder = TemporaryFolder(), volume = folder / "volume.npy"
        let writer = try makeVolumeWriter(path: volume, shape: VolumeShape(pages: 2, height: 32, width: 64), pixelType: .uint8)
        for page in 0..<2 {
            try (0..<2048).map { Float(($0 + page) % 2) }.withUnsafeBufferPointer { try writer.append($0) }
        }
        try writer.close()
        let limit = ["--max-image-pixels", "2047"]
        for command in [
            ["info", volume], ["split", volume, "--output", folder / "slices"],
            ["check", "--images", volume, "--labels", volume],
            ["evaluate", "--prediction", volume, "--labels", volume],
            ["augment", "--images", volume, "--labels", volume, "--output", folder / "pairs"],
            ["train", "--images", volume, "--labels", volume, "--output", folder / "run"],
        ] {
            let outcome = try Program.run(command + limit)
            let text = outcome.output + outcome.errors
            #expect(outcome.status == 65 && text.contains("2047 are allowed; if that is no damage"), "\(command): \(outcome)")
        }
        #expect(try Program.run(["info", volume, "--max-image-pixels", "2048"]).status == 0)
        #expect(try Program.run(["info", volume, "--max-image-pixels", "0"]).status == 64)
    }

    /// Names in a file that a terminal would obey are not obeyed.
    @Test func terminalsAreNotSpokenTo() throws {
        let folder = TemporaryFolder(), path = folder / "a.safetensors"
        let header = #"{"\u001b]0;title\u0007\n\u202e":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}"#
        try Data(withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian) { Array($0) } + header.utf8 + [0, 0, 0, 0])
            .write(to: URL(fileURLWithPath: path))
        let outcome = try Program.run(["import", "--input", path, "--architecture", "unet", "--output", folder / "b.h5"])
        #expect(outcome.status == 65 && outcome.errors.contains("cannot lie at the bytes"), "\(outcome)")
        #expect(
            outcome.errors.unicodeScalars.allSatisfy { $0 == "\n" || $0.value >= 32 && $0 != "\u{202E}" },
            "\(outcome.errors.debugDescription)")
    }

    /// A text of some lines that stands for more than any memory holds is refused before it is looked at; paths with a star are not.
    @Test func anchorsAreNotRepeated() throws {
        let folder = TemporaryFolder()
        let bomb =
            "a: &a [x, x]\n" + (0..<40).map { "b\($0): &b\($0) [*\($0 == 0 ? "a" : "b\($0 - 1)"), *a]\n" }.joined()
            + "? [*b39, *b39]\n: 1\n"
        let run = try Program.run(["train", "--config", folder.file("bomb.yaml", bomb)], limit: 10)
        #expect(run.status == 65 && run.errors.contains("anchors (&name) with aliases (*name) are not taken"), "\(run)")
        let long = try Program.run(["train", "--config", folder.file("long.yaml", String(repeating: "# long\n", count: 200_000))])
        #expect(long.status == 65 && long.errors.contains("are no configuration"), "\(long)")
        let stars = try Program.run(["train", "--config", folder.file("stars.yaml", "images: R&D/*.tif\nlabels: b\noutput: c # & and *\n")])
        #expect(stars.status == 66 && stars.errors.contains("R&D/*.tif"), "\(stars)")
    }

    /// A checkpoint with a right seal whose counts, names or states are none of a run is refused.
    @Test func sealedNonsenseIsRefused() throws {
        let folder = try ScratchFolder()
        func refusal(_ progress: String, _ names: String = "a.weight", _ states: String = "velocity") throws -> String {
            let configuration = "images: a\nlabels: b\noutput: c\noptimizer: sgd"
            let text = [configuration, progress, "{}", #"{"slice":{}}"#, names, states, "1"].joined(separator: "\n----\n")
            switch try Array(text.utf8).withUnsafeBytes({ try FuzzTarget.checkpointContent.run($0, in: folder) }) {
            case .refused(let text): return text
            default: return "read"
            }
        }
        #expect(try refusal(#"{"step":4,"position":8,"lossSum":0}"#) == "read")
        for progress in [
            #"{"step":-1,"position":8,"lossSum":0}"#, #"{"step":9223372036854775807,"position":8,"lossSum":0}"#,
            #"{"step":4,"position":8,"lossSum":0,"skipped":{"total":-9223372036854775808,"recent":0}}"#,
        ] { #expect(try refusal(progress).contains("its counts are none of a run"), "\(progress)") }
        #expect(try refusal(#"{"step":4,"position":8,"lossSum":0}"#, "a.weight\na.weight").contains("listed twice"))
        #expect(try refusal(#"{"step":4,"position":8,"lossSum":0}"#, "a.weight", "velocity\nvelocity").contains("listed twice"))
    }

    /// Each array of a sealed checkpoint has as many values as its parameter's shape says: none has a dataset of HDF5 without a space.
    @Test(arguments: ["/parameters/a", "/optimizer/velocity/a", "/average/a"]) func sealedArraysHaveTheirValues(_ short: String) throws {
        let contents = Checkpoint.Contents(
            configuration: "images: a\nlabels: b\noutput: c\noptimizer: sgd", progress: #"{"step":4,"position":8,"lossSum":0}"#,
            metrics: "{}",
            fingerprint: "none", normalization: #"{"slice":{}}"#, channels: 1, parameters: ["a"], states: ["velocity"], hasAverage: true)
        func read(_ values: [Float]) throws -> Checkpoint {
            try Checkpoint(contents, "a.h5", shape: { _ in [2, 2] }, values: { $0 == short ? values : [1, 2, 3, 4] })
        }
        #expect(try read([5, 6, 7, 8]).parameters.map(\.shape) == [[2, 2]])
        for values in [[], [1, 2, 3], [1, 2, 3, 4, 5]] as [[Float]] {
            let error = #expect(throws: TrainingError.self) { _ = try read(values) }
            #expect("\(error!)".contains("a.h5: \(short) has \(values.count) values, the parameter is [2, 2]"), "\(error!)")
        }
    }

    /// A network that a small file claims to be large takes no memory.
    @Test func networksAreNoLargerThanTheirWeights() throws {
        for (name, expected) in [
            ("large", "has 31030593 parameters, and the file 10"), ("deep", "--depth 62: an integer from 1 to"),
            ("wide", "--base-channels 1099511627776: an integer from 1 to"), ("dropped", "--dropout"),
        ] {
            let folder = TemporaryFolder(), file = "\(Self.package)/Fuzzing/Corpus/import/seed-\(name)"
            let run = try Program.run(["import", "--input", file, "--output", folder / "a.h5"])
            #expect(run.status == 65 && run.errors.contains(expected), "\(name): \(run)")
        }
    }

    /// Numbers in the files of a run folder that no run can have written are left out, or are an error, and the page is made.
    @Test func oddRunFolders() throws {
        let log = #"{"step":1e300,"loss":1e308,"accuracy":0.5,"epoch":1.5}"# + "\n" + #"{"step":3,"loss":0.5}"#
        #expect(TrainingLog.entries(of: Array(log.utf8)) == [["accuracy": 0.5], ["step": 3, "loss": 0.5]])
        let folder = TemporaryFolder(), zero = #"{"event":"stop","time":1e300,"step":0}"#
        _ = folder.file("configuration.yaml", "images: a\nlabels: b\noutput: c\n")
        _ = folder.file("log.jsonl", #"{"step":1e300,"loss":1e308}"# + "\n" + #"{"step":2,"epoch":1,"loss":0.5}"# + "\n")
        _ = folder.file("history.jsonl", zero + "\n")
        let run = try Program.run(["report", folder.path])
        #expect(run.status == 0, "\(run)")
        _ = folder.file("validation.json", #"{"step":3,"scores":{"loss":1e308}}"#)
        let refused = try Program.run(["report", folder.path])
        #expect(refused.status == 65 && refused.errors.contains("is not what unet-mpi wrote there"), "\(refused)")
    }
}
