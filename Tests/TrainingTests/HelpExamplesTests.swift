import Foundation
import Testing

/// The examples in the help texts, run as they are written, on data of the names that they have, with options added that make them short.
@Suite struct HelpExamplesTests {
    private let folder = TemporaryFolder()

    /// What makes a training short: the last of several options of the same name counts.
    private static let small = [
        "--base-channels", "2", "--depth", "2", "--crop", "32", "--batch-size", "2", "--steps", "2", "--threads", "1",
    ]
    /// What subcommands print on standard output; all others nothing.
    private static let printing = ["check", "evaluate", "info", "report", "submit", "doctor"]

    @discardableResult
    private func run(_ words: [String], status: Int32 = 0, sourceLocation: SourceLocation = #_sourceLocation) throws -> Program.Outcome {
        let outcome = try Program.run(words, through: ["env", "-C", folder.path], limit: 120)
        #expect(outcome.status == status, "\(words): \(outcome.errors)", sourceLocation: sourceLocation)
        return outcome
    }

    /// Command lines in a help text, without what starts them on several ranks and what takes their output.
    private func examples(in text: String) -> [[String]] {
        text.replacingOccurrences(of: "\\\n", with: " ").split(separator: "\n").compactMap { line in
            var words = line.split(separator: " ").map(String.init)
            guard let first = words.first, ["unet-mpi", "mpirun"].contains(first), let program = words.firstIndex(of: "unet-mpi") else {
                return nil
            }
            words.removeFirst(program + 1)
            return Array(words.prefix { $0 != ">" })
        }
    }

    private func prepare() throws {
        try run(["sample", "--output", ".", "--training-pages", "6", "--test-pages", "2", "--height", "64", "--width", "64"])
        let training = ["train", "--images", "train-volume.tif", "--labels", "train-labels.tif", "--validation", "1"] + Self.small
        try run(training + ["--output", "runs/isbi", "--architecture", "unet-keras"])
        try run(["export", "--run", "runs/isbi", "--output", "unet_membrane.hdf5"])
        try run(training + ["--output", "runs/batch", "--norm", "batch", "--depth", "4", "--crop", "64"])
        try run(["predict", "--checkpoint", "runs/isbi/checkpoints/best.h5", "--images", "test-volume.tif", "--output", "prediction.tif"])
        try run(["split", "train-volume.tif", "--output", "slices"])
        try run(["split", "train-labels.tif", "--output", "masks"])
        try FileManager.default.createDirectory(atPath: folder / "scratch", withIntermediateDirectories: true)
        for (name, copy) in [("train-volume.tif", "a.tif"), ("train-labels.tif", "b.tif")] {
            try FileManager.default.copyItem(atPath: folder / name, toPath: folder / copy)
        }
        try run(["init", "--images", "train-volume.tif", "--labels", "train-labels.tif", "--output", "train.yaml"])
    }

    @Test func examplesWork() throws {
        try prepare()
        var count = 0
        // bench measures for long; its own tests run it.
        for (path, command) in try HelpTests().commands() where path.first != "bench" {
            for var words in examples(in: command.discussion ?? "") {
                let name = words[0]
                count += 1
                var status: Int32 = 0
                switch name {
                case "train":
                    // A run folder of another configuration is in the way; that of a new file for --config is runs/first.
                    let output = words.firstIndex(of: "--output").map { words[$0 + 1] } ?? "runs/first"
                    try? FileManager.default.removeItem(atPath: folder / output)
                    words += Self.small
                case "sample": words += ["--training-pages", "6", "--test-pages", "2", "--height", "64", "--width", "64"]
                // There is no batch system to send it to.
                case "submit" where !words.contains("--print"): words.insert("--print", at: 1)
                // No run is at work.
                case "stop": status = 66
                // An existing file is not written over.
                case "init": try FileManager.default.removeItem(atPath: folder / "train.yaml")
                case "doctor": words = words.map { $0 == "/scratch/runs" ? folder / "scratch" : $0 }
                case "import" where words.contains("unet.safetensors"):
                    try run(["export", "--run", "runs/batch", "--output", "unet.safetensors"])
                default: break
                }
                let outcome = try run(words, status: status)
                let isPrinting = Self.printing.contains(name) || words.contains("--dry-run")
                #expect(
                    outcome.output.isEmpty == !isPrinting,
                    "\(words): data belong on standard output, messages on standard error: \(outcome)")
                // Nothing is rewritten in place, nothing coloured: standard error is no terminal.
                #expect(!outcome.errors.contains("\r") && !outcome.errors.contains("\u{1B}"), "\(words): \(outcome.errors)")
                #expect(!outcome.errors.contains("rank=0"), "\(words): \(outcome.errors)")
                guard command.hasQuiet, status == 0, name != "init" else { continue }
                words.insert("--quiet", at: words.firstIndex(of: "--") ?? words.count)
                let quiet = try run(words)
                #expect(quiet.errors.split(separator: "\n").allSatisfy { $0.hasPrefix("warning: ") }, "\(words): \(quiet.errors)")
            }
        }
        #expect(count > 30, "\(count) examples were found")
    }

    /// A line of an example is narrower than a terminal, so that none is broken where it must not be.
    @Test func examplesAreNarrow() throws {
        for (words, command) in try HelpTests().commands() {
            let lines = (command.discussion ?? "").split(separator: "\n").map(String.init)
            for (number, line) in lines.enumerated() {
                let isExample =
                    ["unet-mpi ", "mpirun "].contains { line.trimmingCharacters(in: .whitespaces).hasPrefix($0) }
                    || number > 0 && lines[number - 1].hasSuffix("\\")
                if isExample { #expect(line.count < 80, "\(words): \(line)") }
            }
        }
    }
}
