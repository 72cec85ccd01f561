/// What is wrong with a file, in one line: its name, what was expected, what was found and, where we know it, what to do.
public struct ImagingError: Error, CustomStringConvertible, Sendable {
    /// What kind of trouble it is; a program that ends because of it does so with `exitStatus`.
    public enum Kind: Sendable {
        /// The file, or something inside it, does not exist.
        case missing
        /// The file is there but cannot be used: damaged, not supported, or at odds with another.
        case invalid
        /// The operating system refused to read or write.
        case inputOutput
        /// What was asked for makes no sense (a file extension that we do not know, a range outside the volume).
        case usage
    }

    /// The kind of trouble.
    public let kind: Kind
    /// The file, as the user named it.
    public let path: String
    /// What happened, without the file's name.
    public let message: String

    /// An error about the file at `path`. What a terminal would obey in the message is replaced: it may come out of the file.
    public init(_ kind: Kind, _ path: String, _ message: String) {
        self.kind = kind
        self.path = path
        self.message = message.printableLine
    }

    /// `<path>: <message>`
    public var description: String { "\(path): \(message)" }

    /// The status of a process that ends because of this error, as in `sysexits.h`.
    public var exitStatus: Int32 {
        switch kind {
        case .usage: 64
        case .invalid: 65
        case .missing: 66
        case .inputOutput: 74
        }
    }
}
