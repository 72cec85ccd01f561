import Foundation
import Logging
import Synchronization

/// What people see on standard error: whole lines, and on a terminal one line that is rewritten in place.
public final class Console: Sendable {
    /// The process's one console.
    public static let standardError = Console(descriptor: STDERR_FILENO)

    /// Whether a line can be rewritten: a terminal that is not `dumb`.
    public let isTerminal: Bool
    /// Whether warnings may be coloured: a terminal, and no `NO_COLOR`.
    public let isColored: Bool
    private let descriptor: Int32
    /// Whether the cursor stands on the rewritten line.
    private let hasStatus = Mutex(false)

    init(descriptor: Int32) {
        let environment = ProcessInfo.processInfo.environment
        self.descriptor = descriptor
        isTerminal = isatty(descriptor) != 0 && environment["TERM"] != "dumb"
        isColored = isTerminal && (environment["NO_COLOR"] ?? "").isEmpty
    }

    /// Writes whole lines; a rewritten line above them disappears.
    public func write(_ lines: String) {
        hasStatus.withLock { hasStatus in
            emit((hasStatus ? "\r\u{1B}[K" : "") + lines + "\n")
            hasStatus = false
        }
    }

    /// Replaces the rewritten line. Only on a terminal.
    func rewrite(_ line: String) {
        hasStatus.withLock { hasStatus in
            emit("\r\u{1B}[K" + line)
            hasStatus = true
        }
    }

    private func emit(_ text: String) {
        let bytes = Array(text.utf8)
        var written = 0
        while written < bytes.count {
            let count = bytes[written...].withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress!, $0.count) }
            if count < 0 && errno != EINTR { return }  // nobody reads any more
            written += max(0, count)
        }
    }
}

/// swift-log's messages as plain lines on the console: `warning: …` and errors with their level, the rest as they are.
public struct ConsoleLogHandler: LogHandler {
    /// Metadata of every message.
    public var metadata: Logger.Metadata = [:]
    /// Messages below this level are not shown.
    public var logLevel: Logger.Level

    /// A handler that shows messages from `level` on.
    public init(level: Logger.Level) { logLevel = level }

    /// Writes one message with its metadata.
    public func log(event: LogEvent) {
        let console = Console.standardError
        let fields = metadata.merging(event.metadata ?? [:]) { $1 }.sorted { $0.key < $1.key }.map { " \($0.key)=\($0.value)" }.joined()
        let label = event.level >= .warning ? "\(event.level): " : ""
        let coloured = console.isColored && !label.isEmpty ? "\u{1B}[\(event.level == .warning ? 33 : 31)m\(label)\u{1B}[0m" : label
        console.write("\(coloured)\(event.message)\(fields)")
    }

    /// One entry of the metadata of every message.
    public subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }
}
