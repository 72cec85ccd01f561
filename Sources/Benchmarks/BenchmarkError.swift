import DataParallel

/// Why a benchmark gives no figures.
public struct BenchmarkError: ExitStatusProviding, CustomStringConvertible, Sendable, Equatable {
    /// What went wrong; the raw value is the program's exit status.
    public enum Kind: Int32, Sendable {
        /// An option that cannot be meant.
        case usage = 64
        /// A result is wrong, so that its time means nothing.
        case wrong = 70
    }

    /// What went wrong.
    public let kind: Kind
    /// One line: what was expected, what was found, what to do.
    public let description: String
    /// The program's exit status because of this error.
    public var exitStatus: Int32 { kind.rawValue }

    /// An error of `kind` described by one line.
    public init(_ kind: Kind, _ description: String) {
        self.kind = kind
        self.description = description
    }
}
