import Foundation

/// What `doctor` found: line by line, each with what to do where something is to be done.
public struct DoctorReport: Codable, Equatable, Sendable {
    /// How bad a finding is.
    public enum Severity: String, Codable, Sendable, Comparable {
        /// As it should be.
        case ok = "OK"
        /// Training works, but slower or less safely than it could.
        case warning
        /// Training will not work.
        case error

        /// Ordered from good to bad.
        public static func < (a: Severity, b: Severity) -> Bool { a.order < b.order }
        private var order: Int { self == .ok ? 0 : self == .warning ? 1 : 2 }
    }

    /// One line.
    public struct Finding: Codable, Equatable, Sendable {
        /// What was looked at: `binding`, `clock`, …
        public var subject: String
        /// How bad it is.
        public var severity: Severity
        /// What was found.
        public var text: String
        /// What to do.
        public var cure: String?
    }

    /// All lines, in the order in which they were looked at.
    public private(set) var findings: [Finding] = []

    /// Nothing yet.
    public init() {}

    /// The worst of all.
    public var verdict: Severity { findings.map(\.severity).max() ?? .ok }

    /// 1 when there is an error, otherwise 0.
    public var exitStatus: Int32 { verdict == .error ? 1 : 0 }

    /// Adds a line.
    public mutating func add(_ subject: String, _ severity: Severity, _ text: String, cure: String? = nil) {
        findings.append(Finding(subject: subject, severity: severity, text: text, cure: cure))
    }

    /// A line for each finding, what to do below it, and the verdict.
    public var text: String {
        let width = (findings.map(\.subject.count).max() ?? 0) + 2
        var lines = findings.flatMap { finding in
            let start = finding.severity.rawValue.padding(toLength: 9, withPad: " ", startingAt: 0)
            return ["\(start)\(finding.subject.padding(toLength: width, withPad: " ", startingAt: 0))\(finding.text)"]
                + (finding.cure.map { [String(repeating: " ", count: 9 + width) + "-> " + $0] } ?? [])
        }
        func count(_ severity: Severity) -> Int { findings.filter { $0.severity == severity }.count }
        func plural(_ count: Int, _ word: String) -> String { "\(count) \(word)\(count == 1 ? "" : "s")" }
        switch verdict {
        case .ok: lines.append("all is well")
        case .warning: lines.append("\(plural(count(.warning), "warning")): training works, but see above")
        case .error:
            lines.append("\(plural(count(.error), "error")), \(plural(count(.warning), "warning")): training will not work like this")
        }
        return lines.joined(separator: "\n")
    }

    /// One JSON object: `verdict` and `findings` with `subject`, `severity`, `text` and, where there is one, `cure`.
    public var json: String {
        struct Object: Encodable {
            var verdict: Severity
            var findings: [Finding]
        }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        guard let data = try? encoder.encode(Object(verdict: verdict, findings: findings)) else {
            preconditionFailure("a finding that JSON cannot hold")
        }
        return String(decoding: data, as: UTF8.self)
    }
}
