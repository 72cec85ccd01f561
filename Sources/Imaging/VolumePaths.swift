/// The volumes that are used as one, their pages one after another: at least one path, as `VolumeReader` names them.
public struct VolumePaths: Codable, Equatable, Sendable, ExpressibleByStringLiteral, CustomStringConvertible {
    /// The paths in order.
    public var paths: [String]

    /// These volumes.
    public init(_ paths: [String]) { self.paths = paths }

    /// One volume.
    public init(stringLiteral path: String) { paths = [path] }

    /// Whether none is named yet.
    public var isEmpty: Bool { paths.allSatisfy(\.isEmpty) }

    /// All paths, for people.
    public var description: String { paths.joined(separator: ", ") }
}
