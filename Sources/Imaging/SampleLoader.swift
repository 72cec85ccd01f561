/// Makes the samples of a training: reads a slice with its label, and augments and crops them.
///
/// What a sample shows is a pure function of (seed, its position in the stream, the slice's content): it does not depend on the rank or
/// thread that loads it, nor on what was loaded before. Several threads may load at once.
public struct SampleLoader: Sendable {
    /// Where the slices come from.
    public let dataset: SliceDataset
    /// What is done to them.
    public let augmentation: AugmentationConfiguration
    /// Size of the samples in pixels.
    public let sampleHeight, sampleWidth: Int
    /// Pixels at each side of a sample that may lie outside the slice: a network without padding shows nothing of them.
    public let margin: Int
    /// Seed of the augmentation.
    public let seed: UInt64

    /// A loader of samples of the size of `crop`; the dataset has labels.
    /// - Throws: `AugmentationError` if the augmentation makes no sense; `ImagingError` if the slices are smaller than the crop.
    public init(
        dataset: SliceDataset, augmentation: AugmentationConfiguration, crop: Crop, margin: Int = 0, seed: UInt64
    ) throws {
        precondition(dataset.labels != nil, "SampleLoader: \(dataset.images.path) was opened without labels")
        try augmentation.validate()
        (sampleHeight, sampleWidth) = crop.size(height: dataset.height, width: dataset.width)
        guard (2 * margin + 1...dataset.height + 2 * margin).contains(sampleHeight),
            (2 * margin + 1...dataset.width + 2 * margin).contains(sampleWidth)
        else {
            throw ImagingError(
                .usage, dataset.images.path,
                """
                the crop of \(sampleWidth)×\(sampleHeight) pixels (width × height) does not fit into the slices of \
                \(dataset.width)×\(dataset.height); choose a crop of at most \(min(dataset.height, dataset.width) + 2 * margin), or full
                """)
        }
        self.dataset = dataset
        self.augmentation = augmentation
        self.margin = margin
        self.seed = seed
    }

    /// Loads one sample.
    /// - Parameters:
    ///   - sample: Which slice it is of, and its position in the stream.
    ///   - image: Receives channels × sampleHeight × sampleWidth normalised values.
    ///   - label: Receives sampleHeight × sampleWidth values, 0 or 1.
    /// - Throws: `ImagingError` if the slice or its label cannot be read.
    public func load(_ sample: Sample, image: UnsafeMutableBufferPointer<Float>, label: UnsafeMutableBufferPointer<Float>) throws {
        let map = augmentation.drawMap(
            seed: seed, position: sample.position, height: sampleHeight, width: sampleWidth, margin: margin, sliceHeight: dataset.height,
            sliceWidth: dataset.width)
        try dataset.withImage(sample.slice) { sliceImage in
            try dataset.withLabel(sample.slice) { sliceLabel in
                map.resample(
                    image: sliceImage, label: sliceLabel, channels: dataset.channels, sliceHeight: dataset.height,
                    sliceWidth: dataset.width, outputImage: image, outputLabel: label)
            }
        }
        augmentation.drawAppearance(seed: seed, position: sample.position, height: sampleHeight, width: sampleWidth)
            .apply(to: image, channels: dataset.channels, height: sampleHeight, width: sampleWidth)
    }
}
