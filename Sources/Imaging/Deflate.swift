/// What is known of the compression that zlib and PNG have in common (RFC 1951).
package enum Deflate {
    /// How many bytes a byte may become, at most: two bits stand for 258 bytes.
    package static let greatestRatio = 1032
}
