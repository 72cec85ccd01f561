import Foundation
import Imaging

/// Augmented pairs of image and label, as a training with this configuration sees them: pair k is the k-th sample of its stream.
public struct AugmentedPairs {
    /// How many pairs were written, and the processor time that making one took, without reading and writing.
    public struct Summary: Sendable {
        /// Number of pairs.
        public let count: Int
        /// Seconds of one core, the median over the pairs.
        public let secondsEach: Double
    }

    private let loader: SampleLoader
    /// The same samples before anything is done to them: the same parts of the same slices.
    private let original: SampleLoader
    private let stream: SampleStream
    private let folder: String
    /// Pairs on the contact sheet, at most; and the longer side of a picture there in pixels.
    private static let shown = 12, thumbnail = 256

    /// Opens the data of a configuration; its output is the folder to write to.
    ///
    /// Throws `ImagingError`, or `AugmentationError`.
    public init(_ configuration: TrainingConfiguration) throws {
        ImageLimit.samples = configuration.maximumImagePixels
        let whole = try SliceDataset(
            images: configuration.images, labels: configuration.labels, classes: configuration.classes,
            normalization: configuration.normalizationRule)
        guard configuration.validation < whole.count else {
            throw TrainingError(.usage, "--validation \(configuration.validation): \(configuration.images) has \(whole.count) slices")
        }
        let data = try SliceDataset(
            images: configuration.images, labels: configuration.labels, classes: configuration.classes,
            pages: Array(0..<whole.count - configuration.validation),
            normalization: whole.normalization)
        loader = try SampleLoader(dataset: data, augmentation: configuration.augment, crop: configuration.crop, seed: configuration.seed)
        original = try SampleLoader(dataset: data, augmentation: .none, crop: configuration.crop, seed: configuration.seed)
        stream = SampleStream(slices: data.count, cropsPerSlice: configuration.cropsPerSlice, seed: configuration.seed)
        folder = configuration.output
    }

    /// Writes `count` pairs (by default as many as there are slices): `images.tif`, `labels.tif` (0 and 255, or the classes' values) and `contact-sheet.png`.
    ///
    /// With `showsOriginals` the sheet has each sample as it was above what it became, both in the same grey range.
    ///
    /// Images of 8 and 16 bits stay what they are; others, and with a normalization by slice or volume all, become float32 as a network sees them. Throws `ImagingError`, or `TrainingError`.
    public func write(count: Int? = nil, showsOriginals: Bool = false) throws -> Summary {
        let count = count ?? stream.epochLength
        do {
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        } catch {
            throw TrainingError(.inputOutput, "\(folder): cannot create the folder: \(error.localizedDescription)")
        }
        let source = loader.dataset.images, height = loader.sampleHeight, width = loader.sampleWidth, plane = height * width
        let isInteger =
            [.uint8, .uint16].contains(source.pixelType) && loader.dataset.normalization == .standard(for: source.pixelType)
        let greatest = isInteger ? source.pixelType.maximum ?? 1 : 1
        var shape = VolumeShape(pages: count, height: height, width: width, channels: loader.dataset.channels)
        let images = try makeVolumeWriter(
            path: "\(folder)/images.tif", shape: shape, pixelType: isInteger ? source.pixelType : .float32, metadata: source.metadata)
        shape.channels = 1
        let classes = loader.dataset.classes, values = classes.map { $0.classes.map { Float($0.value) } } ?? [0, 255]
        let labels = try makeVolumeWriter(
            path: "\(folder)/labels.tif", shape: shape, pixelType: try labelType(classes), metadata: source.metadata)
        var sheet = ContactSheet(
            pairs: min(count, Self.shown), height: height, width: width, side: Self.thumbnail, showsOriginals: showsOriginals)
        let image = UnsafeMutableBufferPointer<Float>.allocate(capacity: loader.dataset.channels * plane)
        let label = UnsafeMutableBufferPointer<Float>.allocate(capacity: plane)
        defer {
            image.deallocate()
            label.deallocate()
        }
        func pair() -> ContactSheet.Pair { ContactSheet.Pair(image: Array(image[..<plane]), label: Array(label)) }
        var times: [Double] = []
        for k in 0..<count {
            let sample = stream.sample(at: k)
            // The first time a slice is read it is decoded, too.
            try loader.dataset.withImage(sample.slice) { _ in }
            try loader.dataset.withLabel(sample.slice) { _ in }
            var before: ContactSheet.Pair?
            if showsOriginals && k < Self.shown {
                try original.load(sample, image: image, label: label)
                before = pair()
            }
            let begin = Self.processorTime()
            try loader.load(sample, image: image, label: label)
            times.append(Self.processorTime() - begin)
            if k < Self.shown { sheet.add(pair(), of: before, classes: classes) }
            for i in image.indices { image[i] = isInteger ? min(max(image[i], 0), 1) * greatest : image[i] }
            for i in label.indices { label[i] = label[i] < 0 ? Float(classes!.ignored!) : values[Int(label[i])] }
            try images.append(UnsafeBufferPointer(image))
            try labels.append(UnsafeBufferPointer(label))
        }
        try images.close()
        try labels.close()
        try sheet.write(to: "\(folder)/contact-sheet.png")
        return Summary(count: count, secondsEach: times.sorted()[times.count / 2])
    }

    /// The type that holds the labels' values.
    private func labelType(_ classes: LabelClasses?) throws -> PixelType {
        guard let classes else { return .uint8 }
        if let ignored = classes.ignored, ignored < 0 {
            throw TrainingError(
                .usage, "ignore=\(ignored): labels.tif would hold whole numbers from 0; --classes with another ignored value can be written"
            )
        }
        return max(classes.greatestValue, classes.ignored ?? 0) > 255 ? .uint16 : .uint8
    }

    /// Seconds that this thread has computed: other programs on the machine do not count.
    private static func processorTime() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
    }
}
