import Foundation

/// A value for `--json`, keys in the order in which they were given.
public enum JSONValue: CustomStringConvertible, Sendable {
    /// Nothing to say.
    case null
    /// A whole number.
    case integer(Int)
    /// A number, as short as reads back the same; infinity and not-a-number become null.
    case number(Double)
    /// Text.
    case text(String)
    /// Values in order.
    case array([JSONValue])
    /// Named values in order.
    case object([(String, JSONValue)])

    /// The text on one line.
    public var description: String {
        switch self {
        case .null: "null"
        case .integer(let value): "\(value)"
        case .number(let value): value.isFinite ? "\(value)" : "null"
        case .text(let text): JSONValue.quoted(text)
        case .array(let values): "[" + values.map(\.description).joined(separator: ", ") + "]"
        case .object(let fields): "{" + fields.map { "\(JSONValue.quoted($0.0)): \($0.1)" }.joined(separator: ", ") + "}"
        }
    }

    private static func quoted(_ text: String) -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .withoutEscapingSlashes
        guard let data = try? encoder.encode(text) else { preconditionFailure("a text that JSON cannot hold: \(text)") }
        return String(decoding: data, as: UTF8.self)
    }
}
