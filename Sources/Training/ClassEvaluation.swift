import DataParallel
import Imaging

/// The scores of a predicted volume with several classes against its labels. Pages are dealt out to the ranks.
public struct ClassEvaluation {
    private let prediction, labels: String
    private let classes: LabelClasses

    /// Scores `prediction`, a channel of probabilities for each class or one of label values, against `labels`.
    public init(prediction: String, labels: String, classes: LabelClasses) {
        (self.prediction, self.labels, self.classes) = (prediction, labels, classes)
    }

    /// A collective; every rank gets the scores of each page. Throws on all ranks alike what one of them met (`RankError`), or `MPIError`.
    public func run(communicator: Communicator) throws -> [ClassScores] {
        let data = try communicator.agree("opening the prediction") {
            let data = try SliceDataset(images: prediction, labels: labels, classes: classes, normalization: .divide(by: 1))
            guard data.channels == 1 || data.channels == classes.count else {
                throw TrainingError(
                    .invalid,
                    "\(prediction) has \(data.channels) channels; one of label values, or \(classes.count) of probabilities (\(classes)), are expected"
                )
            }
            return data
        }
        let size = classes.count * classes.count, pixels = data.height * data.width
        var counts = [Int](repeating: 0, count: data.count * size)
        try communicator.agree("scoring") {
            let page = UnsafeMutableBufferPointer<Float>.allocate(capacity: data.channels * pixels)
            defer { page.deallocate() }
            for slice in stride(from: communicator.rank, to: data.count, by: communicator.count) {
                try data.readImage(slice, into: page)
                let predicted = try indices(page, slice, of: data)
                var scores = ClassScores(classes: classes.count)
                try data.withLabel(slice) { scores.add(predicted: UnsafeBufferPointer(predicted), labels: $0) }
                counts.replaceSubrange(slice * size..<(slice + 1) * size, with: scores.confusion)
            }
        }
        // Each page was counted on one rank, and the others have zeros.
        try counts.withUnsafeMutableBufferPointer { try communicator.allReduce($0, .sum) }
        return (0..<data.count).map { ClassScores(classes: classes.count, confusion: Array(counts[$0 * size..<($0 + 1) * size])) }
    }

    /// The class of each pixel.
    private func indices(
        _ page: UnsafeMutableBufferPointer<Float>, _ slice: Int, of data: SliceDataset
    ) throws -> UnsafeMutableBufferPointer<Float> {
        if data.channels > 1 { return LabelClasses.mostProbable(page, classes: classes.count) }
        if let unknown = classes.replaceValues(in: page) {
            throw TrainingError(
                .invalid,
                "\(data.name(ofSlice: slice)) of the prediction holds \(unknown.count) pixels of no class, the first of value \(unknown.value); the classes are \(classes)"
            )
        }
        if page.contains(where: { $0 < 0 }) {
            throw TrainingError(
                .invalid, "\(data.name(ofSlice: slice)) of the prediction holds the value \(classes.ignored!), which only labels can have")
        }
        return page
    }
}

extension LabelClasses {
    /// Classes from the command line: a list, or the YAML file of a training that has one.
    ///
    /// - Throws: `TrainingError`: `usage` where that is none, or what reading the file met.
    public init(argument: String) throws {
        if argument.hasSuffix(".yaml") || argument.hasSuffix(".yml") {
            var configuration = TrainingConfiguration()
            try configuration.apply(yaml: TrainingConfiguration.text(of: argument), from: argument)
            guard let classes = configuration.classes else { throw TrainingError(.usage, "--classes \(argument): the file has no classes") }
            self = classes
            return
        }
        do {
            try self.init(text: argument)
        } catch { throw TrainingError(.usage, "--classes \(argument): \(error)") }
    }
}
