/// How many pixels of each class a volume of labels has.
struct ClassCounts {
    private let classes: LabelClasses
    private let path: String
    /// By page and class.
    private let counts: [[Int]]

    /// Goes through all pages of a volume.
    ///
    /// - Throws: `ImagingError` if a page cannot be read, or holds a value that no class has.
    init(of volume: VolumeReader, _ classes: LabelClasses, afterEachPage: () -> Void) throws {
        self.classes = classes
        path = volume.path
        var samples = [Float](repeating: 0, count: volume.shape.pageCount)
        counts = try (0..<volume.shape.pages).map { page in
            var counts = [Int](repeating: 0, count: classes.count)
            try samples.withUnsafeMutableBufferPointer { samples in
                try volume.readLabelPage(page, classes, into: samples)
                for index in samples where index >= 0 { counts[Int(index)] += 1 }
            }
            afterEachPage()
            return counts
        }
    }

    /// What is odd about some of the pages though they can be used.
    func warnings(pages: [Int]) -> [String] {
        let totals = classes.classes.indices.map { index in pages.reduce(0) { $0 + counts[$1][index] } }
        let absent = zip(classes.classes, totals).filter { $1 == 0 }.map { "\($0.0.name) (\($0.0.value))" }
        switch totals.filter({ $0 > 0 }).count {
        case 0: return ["\(path): every pixel is ignored; there is nothing to learn"]
        case 1:
            let only = classes.names[totals.firstIndex { $0 > 0 }!]
            return ["\(path): all pixels that count are \(only); a network can learn nothing from labels of one class"]
        default:
            return absent.isEmpty ? [] : ["\(path): no pixel of the \(pages.count) pages is of the class \(absent.joined(separator: ", "))"]
        }
    }
}

extension VolumeReader {
    /// Reads a page of labels as class indices.
    ///
    /// - Throws: `ImagingError` if it cannot be read, or holds a value that no class has.
    func readLabelPage(_ page: Int, _ classes: LabelClasses, into samples: UnsafeMutableBufferPointer<Float>) throws {
        try readPage(page, into: samples)
        guard let unknown = classes.replaceValues(in: samples) else { return }
        let value = Int(exactly: unknown.value).map { "\($0)" } ?? "\(unknown.value)"
        let pixels = "\(unknown.count) pixel\(unknown.count == 1 ? "" : "s")"
        throw failure(
            page,
            "holds \(pixels) of no class, the first of value \(value); the classes are \(classes) (name it in --classes, or ignore=\(value))"
        )
    }
}
