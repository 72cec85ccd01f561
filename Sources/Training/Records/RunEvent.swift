import Foundation

/// Something that happened to a run: a line of its `history.jsonl`.
package struct RunEvent: Codable, Equatable {
    /// What happened.
    package enum Kind: String, Codable {
        /// The program was started, or started again.
        case start
        /// A signal or the time limit ended it, after saving.
        case stop
        /// All steps are done, or early stopping ended it.
        case finish
        /// An error ended it.
        case failure
        /// Something to know of that did not end it.
        case warning
    }

    /// What happened.
    package var event: Kind
    /// When, in seconds since 1970.
    package var time: Double
    /// Updates done then.
    package var step: Int
    /// What a person should know of it.
    package var text: String?
    /// Of a start, what was started.
    package var start: RunStart?

    package init(_ event: Kind, step: Int, text: String? = nil, start: RunStart? = nil, time: Double = Date().timeIntervalSince1970) {
        (self.event, self.step, self.text, self.start) = (event, step, text, start)
        self.time = (time * 1000).rounded() / 1000
    }

    /// Whether a run can have written it: its time has a date, and its counts are some.
    fileprivate var isPossible: Bool {
        (0...1e11).contains(time) && ([step] + (start?.counts ?? [])).allSatisfy { TrainingLog.steps.contains(Double($0)) }
            && start?.ranks.isEmpty != true
    }
}

/// What a start of the program found: machines, data, what is to be done.
package struct RunStart: Codable, Equatable {
    /// One process.
    package struct Rank: Codable, Equatable {
        /// The name of its machine.
        package var host: String
        package var threads: Int
        /// The processors that it is bound to, as in `0-3,8`.
        package var processors: String
        /// Processors that its machine has.
        package var hostProcessors: Int

        package init(host: String, threads: Int, processors: String, hostProcessors: Int) {
            (self.host, self.threads, self.processors, self.hostProcessors) = (host, threads, processors, hostProcessors)
        }
    }

    /// The checkpoint that it went on from.
    package var resumedFrom: String?
    package var programVersion: String
    /// In the order of their numbers.
    package var ranks: [Rank]
    package var instructionSet: String
    /// Values that are trained.
    package var parameters: Int
    /// Memory that was planned for rank 0, in MiB.
    package var memoryMebibytes: Int
    /// Slices that are trained on, and samples in an epoch.
    package var slices: Int
    package var samplesPerEpoch: Int
    /// Slices that are held out for validation.
    package var validationSlices: Int
    /// Updates to be done in all.
    package var totalSteps: Int
    /// What is wrong with the placement.
    package var warnings: [String]
    /// The slices that `previews/` shows, by the beginnings of their files' names, with what to call them.
    package var previews: [PreviewSlice]

    fileprivate var counts: [Int] {
        [parameters, memoryMebibytes, slices, samplesPerEpoch, validationSlices, totalSteps]
            + ranks.flatMap { [$0.threads, $0.hostProcessors] }
    }

    package init(
        resumedFrom: String?, programVersion: String, ranks: [Rank], instructionSet: String, parameters: Int, memoryMebibytes: Int,
        slices: Int, samplesPerEpoch: Int, validationSlices: Int, totalSteps: Int, warnings: [String], previews: [PreviewSlice]
    ) {
        (self.resumedFrom, self.programVersion, self.ranks, self.instructionSet) = (resumedFrom, programVersion, ranks, instructionSet)
        (self.parameters, self.memoryMebibytes, self.slices, self.samplesPerEpoch) = (parameters, memoryMebibytes, slices, samplesPerEpoch)
        (self.validationSlices, self.totalSteps, self.warnings, self.previews) = (validationSlices, totalSteps, warnings, previews)
    }
}

/// A slice that previews show.
package struct PreviewSlice: Codable, Equatable {
    /// The beginning of the names of its files: `slice-0027`.
    package var name: String
    /// What people know it as: the file and the page there.
    package var title: String

    package init(name: String, title: String) { (self.name, self.title) = (name, title) }
}

/// The run's `history.jsonl`: a line for each start, end, and other event, with the machines it ran on. Never cut back.
package final class RunHistory {
    private let file: AppendedFile

    /// Opens the history for appending. What a kill left of a last line is taken away.
    package init(path: String, files: any FileOperations = SystemFiles()) throws {
        if FileManager.default.fileExists(atPath: path) {
            let old = try files.readAll(path)
            if let last = old.last, last != UInt8(ascii: "\n") {
                let kept = Array(old[..<((old.lastIndex(of: UInt8(ascii: "\n")) ?? -1) + 1)])
                try kept.withUnsafeBytes { try files.writeAtomically([$0], to: path) }
            }
        }
        file = try AppendedFile(path: path, files: files)
    }

    /// Appends an event.
    package func append(_ event: RunEvent) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        try file.append(Array(encoder.encode(event)) + [UInt8(ascii: "\n")])
    }

    /// The events of a history; lines that are none, as of a later version, are left out.
    package static func events(of history: [UInt8]) -> [RunEvent] {
        history.split(separator: UInt8(ascii: "\n")).compactMap { line in
            let event = try? JSONDecoder().decode(RunEvent.self, from: Data(line))
            return event.flatMap { $0.isPossible ? $0 : nil }
        }
    }
}
