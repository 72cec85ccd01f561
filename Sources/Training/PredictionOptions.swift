import Imaging

/// What is predicted, with what, and where the result goes.
public struct PredictionOptions: Sendable {
    /// Checkpoints of the networks whose probabilities are averaged.
    public var checkpoints: [String]
    /// Volumes of images, whose pages follow each other.
    public var images: VolumePaths
    /// Volume to write.
    public var output: String
    /// Masks of 0 and 255, above this probability, instead of probabilities.
    public var threshold: Float?
    /// How probabilities are stored: float32, or integers from 0 to the type's largest value; or the label values of the most probable classes, or
    /// numbered objects.
    public var type = PredictionType.float32
    /// Whether a TIFF file is described by OME-XML instead of ImageJ's text.
    public var isOME = false
    /// In what pieces the networks look at a page.
    public var tile = TileSize.automatic
    /// Pixels that neighbouring tiles share at least; `nil`: 8 · 2^depth, or half of the tile if that is less.
    public var overlap: Int?
    /// Orientations of each tile whose probabilities are averaged: 1, 4 (flips) or 8 (flips and quarter turns).
    public var augmentations = 1
    /// Threads of each rank; `nil` is worked out from the affinity mask.
    public var threads: Int?

    /// A prediction of `images` into `output`.
    public init(checkpoints: [String], images: VolumePaths, output: String) {
        (self.checkpoints, self.images, self.output) = (checkpoints, images, output)
    }

    /// What no single option can say.
    ///
    /// - Throws: `TrainingError` of kind `usage`.
    public func validate() throws {
        if threshold != nil && ![.uint8, .float32, .objects].contains(type) {
            throw TrainingError(.usage, "--threshold writes masks of 0 and 255, which are uint8; it contradicts --type \(type.rawValue)")
        }
        if tile == .none && overlap != nil { throw TrainingError(.usage, "--overlap is for tiles; it contradicts --tile none") }
    }

    /// Throws `TrainingError` of kind `usage` where the options do not fit networks with these classes.
    func validate(_ classes: LabelClasses?) throws {
        if classes != nil && type == .objects {
            throw TrainingError(
                .usage,
                "--type objects numbers the parts of a foreground; the network has the classes \(classes!): --type labels writes them")
        }
        if classes != nil && threshold != nil {
            throw TrainingError(
                .usage,
                "--threshold is for foreground and background; the network has the classes \(classes!): --type labels writes the most probable"
            )
        }
        if classes == nil && type == .labels {
            throw TrainingError(
                .usage,
                "--type labels is for networks with --classes; --threshold 0.5 writes a mask of the foreground, --type objects its parts")
        }
    }

    /// The type of the samples that are written if these are the classes.
    func outputType(_ classes: LabelClasses?) -> PixelType { threshold == nil || type == .objects ? type.pixelType(classes) : .uint8 }

    /// The overlap of neighbouring tiles along an axis of `length` pixels, whose poolings need multiples of `multiple`.
    func overlap(of tile: Int, multiple: Int, length: Int) throws -> Int {
        // A tile that covers the image has no neighbours.
        if tile >= length { return 0 }
        guard let overlap else { return min(8 * multiple, tile / 2) / multiple * multiple }
        guard overlap <= tile - multiple else {
            throw TrainingError(
                .usage,
                "--overlap \(overlap): tiles of \(tile) pixels that begin at multiples of \(multiple) can share at most \(tile - multiple)")
        }
        return overlap
    }
}
