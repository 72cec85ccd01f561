extension String {
    /// The text in one line that a terminal shows and does not obey: names out of a stranger's file may hold line breaks, escape sequences, and
    /// marks that turn the direction of writing. Each is replaced by a blank or by U+FFFD.
    package var printableLine: String { printable { $0 == "\n" || $0 == "\r" || $0 == "\t" ? " " : "\u{FFFD}" } }

    /// The same with its line breaks.
    package var printableLines: String { printable { $0 == "\n" ? "\n" : $0 == "\t" ? " " : "\u{FFFD}" } }

    private func printable(_ replacement: (Unicode.Scalar) -> Unicode.Scalar) -> String {
        // Nearly all texts are nothing but visible ASCII and blanks.
        guard !utf8.allSatisfy({ (0x20..<0x7F).contains($0) }), unicodeScalars.contains(where: \.isForTerminals) else { return self }
        var result = ""
        for scalar in unicodeScalars { result.unicodeScalars.append(scalar.isForTerminals ? replacement(scalar) : scalar) }
        return result
    }
}

extension Unicode.Scalar {
    /// Control characters (C0, delete, C1), and what embeds, overrides or isolates a direction of writing.
    fileprivate var isForTerminals: Bool {
        value < 0x20 || (0x7F..<0xA0).contains(value) || (0x202A...0x202E).contains(value) || (0x2066...0x2069).contains(value)
            || value == 0x2028 || value == 0x2029
    }
}
