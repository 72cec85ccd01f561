import Foundation

/// When a run must have saved and ended.
public enum TimeLimit: Codable, Equatable, Sendable {
    /// When the batch system ends the job, if it tells.
    case automatic
    /// Never.
    case none
    /// So long after the start of the process.
    case after(TimeSpan)
}

/// What is left of a run's time: rank 0 asks it before each step whether another one, with the saving that follows, still fits.
package struct TimeKeeper {
    /// When everything must be done, in seconds since 1970; nil without a limit.
    package let deadline: Double?
    /// Where the limit comes from, for the log.
    let origin: String
    /// Seconds held back beside what is measured: file systems have bad moments.
    private let slack: Double
    private var longestStep = 0.0, longestSave: Double
    private var lastStep: Double?

    /// - Parameters:
    ///   - limit: the user's.
    ///   - checkpointBytes: what a checkpoint holds; until one has been written 50 MB/s are assumed.
    ///   - now: seconds since 1970.
    ///   - age: of the process, in seconds.
    ///   - grant: what the batch system says.
    package init(_ limit: TimeLimit, checkpointBytes: Int, now: Double, age: Double, grant: () -> BatchSystem.Grant?) {
        longestSave = Double(checkpointBytes) / 50e6
        let granted = limit == .automatic ? grant() : nil
        switch limit {
        case .none: (deadline, origin) = (nil, "")
        case .after(let span): (deadline, origin) = (now - age + span.seconds, "--time-limit \(span)")
        case .automatic: (deadline, origin) = (granted?.end, granted?.origin ?? "")
        }
        slack = min(30, max(0, (deadline ?? now) - now) / 20)
    }

    /// Notes the end of a step with everything that belongs to it. The first call only starts the clock.
    package mutating func stepEnded(_ now: Double) {
        if let lastStep { longestStep = max(longestStep, now - lastStep) }
        lastStep = now
    }

    /// Notes how long saving took.
    package mutating func saved(in seconds: Double) { longestSave = max(longestSave, seconds) }

    /// Seconds that must be left for another step: the longest so far and a half, twice the longest saving, and some.
    package var margin: Double { 1.5 * longestStep + 2 * longestSave + slack }

    /// Whether the step that begins at `now` has to be the last.
    package func isLastStep(_ now: Double) -> Bool {
        guard let deadline else { return false }
        // This step, which ends with saving, fits; would another one?
        return now + longestStep + margin >= deadline
    }
}
