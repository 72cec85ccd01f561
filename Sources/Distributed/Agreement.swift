import CMPI

/// A failure of one rank that all ranks know of: every rank throws the same one.
public struct RankError: ExitStatusProviding, CustomStringConvertible, Sendable, Equatable {
    /// The lowest rank that failed.
    public let rank: Int
    /// Its host.
    public let hostName: String
    /// What was being done, as given to `agree`.
    public let phase: String
    /// What that rank's error said, on one line.
    public let message: String
    /// The exit status that its error asked for.
    public let exitStatus: Int32

    /// The failure of `rank`, known to all ranks.
    public init(rank: Int, hostName: String, phase: String, message: String, exitStatus: Int32) {
        self.rank = rank
        self.hostName = hostName
        self.phase = phase
        self.message = message
        self.exitStatus = exitStatus
    }

    /// One line: `rank 5 (node07), reading the batch: train.tif: …`.
    public var description: String { "rank \(rank) (\(hostName)), \(phase): \(message)" }
}

extension Communicator {
    /// Runs on every rank code that can fail on one of them alone, and makes the outcome the same on all: the body's results, or one error.
    ///
    /// - Parameters:
    ///   - phase: what the body does ("reading the batch"), for the message.
    ///   - body: runs on every rank; it may use this communicator only if it does so on all ranks alike.
    /// - Returns: this rank's result of the body, when no rank's body threw.
    /// - Throws: `RankError` with the error of the lowest rank that failed, the same on all ranks; `MPIError` when the ranks cannot reach
    ///   each other. A rank that is alone throws the body's error itself.
    ///
    /// A collective, at the cost of one reduction of an integer when all is well.
    public func agree<T>(_ phase: String, _ body: () throws -> T) throws -> T {
        let outcome: Result<T, any Error>
        do {
            outcome = .success(try body())
        } catch let error where error is RankError || error is MPIError {
            // All ranks have it already, or cannot be told.
            throw error
        } catch {
            outcome = .failure(error)
        }
        guard count > 1 else { return try outcome.get() }

        var failure: (any Error)?
        if case .failure(let error) = outcome { failure = error }
        let first = try allReduce(failure == nil ? Int.max : rank, .minimum)
        guard first < Int.max else { return try outcome.get() }

        var words: [UInt8] = [], status: Int32 = 0
        if first == rank, let failure {
            words = Array((hostName + "\n" + oneLine(failure)).utf8)
            status = DataParallel.exitStatus(of: failure)
        }
        status = try broadcast(status, from: first)
        words = try broadcast(words, from: first)
        let parts = String(decoding: words, as: UTF8.self).split(separator: "\n", maxSplits: 1, omittingEmptySubsequences: false)
        throw RankError(rank: first, hostName: String(parts[0]), phase: phase, message: String(parts[1]), exitStatus: status)
    }
}
