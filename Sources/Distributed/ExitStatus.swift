/// An error that knows with which exit status the program is to end because of it.
public protocol ExitStatusProviding: Error {
    /// 1 … 125, as documented for the program.
    var exitStatus: Int32 { get }
}

/// The exit status that `error` asks for; 70, an internal error, when it does not say.
public func exitStatus(of error: any Error) -> Int32 {
    (error as? any ExitStatusProviding)?.exitStatus ?? 70
}

/// What `error` says, on one line.
func oneLine(_ error: any Error) -> String {
    String(describing: error).split(whereSeparator: \.isNewline).joined(separator: " ")
}
