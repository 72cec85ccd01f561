import CMPI

/// A call to MPI that failed.
///
/// MPI does not promise that a program can go on after an error: let it reach the top and end the job there
/// (`World.run` does).
public struct MPIError: ExitStatusProviding, CustomStringConvertible, Sendable {
    /// The MPI function that failed.
    public let call: String
    /// What it returned; specific to the MPI library.
    public let code: Int
    /// The standard's class of that code (`MPI_ERR_TRUNCATE`, …).
    public let errorClass: Int
    /// MPI's own words for it.
    public let text: String
    /// The rank in the whole job, 0 when MPI was not yet initialised.
    public let rank: Int
    /// 76: a peer failed or cannot be reached; 64 when the program was started by the wrong launcher.
    public let exitStatus: Int32

    /// One line: the call, MPI's words, class and code.
    public var description: String {
        code == Int(cmpi_success()) ? text : "\(call) failed: \(text) (class \(errorClass), code \(code))"
    }

    /// The error for a code that `call` returned.
    init(call: String, code: CInt, rank: Int) {
        var errorClass: CInt = 0
        if MPI_Error_class(code, &errorClass) != cmpi_success() { errorClass = code }
        text = Self.string(capacity: cmpi_max_error_string()) { MPI_Error_string(code, $0, $1) } ?? "unknown error"
        self.call = call
        self.code = Int(code)
        self.errorClass = Int(errorClass)
        self.rank = rank
        exitStatus = 76
    }

    /// The error for a job that was started in a way that cannot work.
    init(call: String, text: String, exitStatus: Int32) {
        self.call = call
        self.text = text
        self.exitStatus = exitStatus
        code = Int(cmpi_success())
        errorClass = Int(cmpi_success())
        rank = 0
    }

    /// A string that MPI writes into a buffer of `capacity` characters; `nil` when `write` fails.
    static func string(capacity: CInt, _ write: (UnsafeMutablePointer<CChar>, UnsafeMutablePointer<CInt>) -> CInt) -> String? {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(capacity) + 1) { buffer in
            buffer.initialize(repeating: 0)
            var length: CInt = 0
            guard write(buffer.baseAddress!, &length) == cmpi_success() else { return nil }
            return String(cString: buffer.baseAddress!).split(whereSeparator: \.isNewline).joined(separator: " ")
        }
    }

    /// Throws unless `code`, returned by `call`, is success.
    @inline(__always)
    static func check(_ code: CInt, _ call: StaticString, rank: Int) throws(MPIError) {
        if code != cmpi_success() { throw MPIError(call: call.description, code: code, rank: rank) }
    }
}
