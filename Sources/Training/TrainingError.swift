import DataParallel
import Foundation
import Imaging
import Interchange
import Kernels
import Model

/// What ends a training, a prediction or an evaluation: one line for people, and the exit status it means.
public struct TrainingError: ExitStatusProviding, CustomStringConvertible, Sendable {
    /// What went wrong; the raw value is the program's exit status.
    public enum Kind: Int32, Sendable {
        /// An option is unknown, out of range or contradicts another.
        case usage = 64
        /// A file was read, and what it holds cannot be used.
        case invalid = 65
        /// A file that was named does not exist.
        case missing = 66
        /// The system refused to read or write.
        case inputOutput = 74
        /// The run stopped on request, after saving; the same command goes on.
        case stopped = 75
        /// Ranks that must agree do not.
        case disagreement = 76
        /// A loss or a gradient is infinite or not a number.
        case notFinite = 77
        /// The network gives all pixels the same class and cannot get away from it.
        case collapsed = 78
    }

    /// What went wrong.
    public let kind: Kind
    /// One line: the file or option, what was expected, what was found, what to do.
    public let description: String

    /// The program's exit status because of this error.
    public var exitStatus: Int32 { kind.rawValue }

    /// An error of `kind` described by one line. What a terminal would obey in it is replaced: parts of it may come out of files.
    public init(_ kind: Kind, _ description: String) {
        self.kind = kind
        self.description = description.printableLines
    }

    /// A failed system call on `path`.
    package static func system(_ action: String, _ path: String, code: Int32 = errno) -> TrainingError {
        TrainingError(code == ENOENT ? .missing : .inputOutput, "\(path): cannot \(action): \(String(cString: strerror(code)))")
    }
}

// The modules below know nothing of exit statuses that travel between ranks; here theirs get them.

extension ImagingError: ExitStatusProviding {}
extension InterchangeError: ExitStatusProviding {
    /// That of its kind.
    package var exitStatus: Int32 { kind.rawValue }
}
extension AugmentationError: ExitStatusProviding {
    /// 64: usage.
    public var exitStatus: Int32 { 64 }
}
extension NetworkError: ExitStatusProviding {
    /// 64: usage.
    public var exitStatus: Int32 { 64 }
}
extension InstructionSetError: ExitStatusProviding {
    /// 64: usage.
    public var exitStatus: Int32 { 64 }
}
