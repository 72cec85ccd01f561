extension Collection<UInt8> {
    /// Where `text`, which is not empty, first stands among these bytes.
    ///
    /// Foundation's and the standard library's `firstRange(of:)`, which are for elements of any type, took most of the time that a header of NPY
    /// and a description of OME took.
    func firstRange(ofText text: String) -> Range<Index>? {
        let pattern = text.utf8
        var rest = self[...]
        while let start = rest.firstIndex(of: pattern.first!) {
            rest = rest[start...]
            if rest.starts(with: pattern) { return start..<rest.index(start, offsetBy: pattern.count) }
            rest = rest.dropFirst()
        }
        return nil
    }
}
