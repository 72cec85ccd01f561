/// Why a test of the documentation cannot be done at all.
struct DocumentationFailure: Error, CustomStringConvertible {
    /// One line.
    let description: String
}
