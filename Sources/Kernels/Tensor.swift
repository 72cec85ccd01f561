/// The size of a tensor of activations.
///
/// **Layout.** Channels are stored in blocks of sixteen, the channel index running fastest:
/// `[batch][blocks][height][width][16]`, known as nChw16c. Lanes that stand for no channel hold zero and stay zero. A
/// tensor whose blocks follow one another is the concatenation of its parts: nothing is copied.
public struct Shape: Equatable, Sendable, CustomStringConvertible {
    /// Samples.
    public var batch: Int
    /// Blocks of sixteen channels.
    public var blocks: Int
    /// Rows.
    public var height: Int
    /// Columns.
    public var width: Int

    /// A shape of `batch` samples with `blocks` · 16 channels of `height` × `width` pixels.
    public init(batch: Int, blocks: Int, height: Int, width: Int) {
        self.batch = batch
        self.blocks = blocks
        self.height = height
        self.width = width
    }

    /// Pixels of one plane.
    public var pixels: Int { height * width }
    /// Floats of one sample.
    public var sampleCount: Int { blocks * pixels * 16 }

    /// `[batch × blocks·16 × height × width]`.
    public var description: String { "[\(batch) × \(blocks * 16) × \(height) × \(width)]" }
}

/// A view of activations: pointer, shape, and the distance between samples. It owns nothing and copying it is free.
public struct Tensor: @unchecked Sendable {
    /// The first float of the first sample, aligned to 64 bytes.
    public let pointer: UnsafeMutablePointer<Float>
    /// Size of the view.
    public let shape: Shape
    /// Floats from one sample to the next: more than `shape.sampleCount` where the view is part of a concatenation.
    public let sampleStride: Int

    /// A view of memory that outlives it. Densely packed unless `sampleStride` says otherwise.
    public init(_ pointer: UnsafeMutablePointer<Float>, _ shape: Shape, sampleStride: Int? = nil) {
        precondition(UInt(bitPattern: pointer) & 63 == 0, "Tensor: memory is not aligned to 64 bytes")
        self.pointer = pointer
        self.shape = shape
        self.sampleStride = sampleStride ?? shape.sampleCount
        precondition(self.sampleStride >= shape.sampleCount, "Tensor: samples of \(shape) are only \(self.sampleStride) floats apart")
    }

    /// The view of `count` blocks from `first` on.
    public func blocks(from first: Int, count: Int) -> Tensor {
        precondition(first >= 0 && first + count <= shape.blocks, "Tensor: blocks \(first)..<\(first + count) of \(shape)")
        var part = shape
        part.blocks = count
        return Tensor(pointer + first * shape.pixels * 16, part, sampleStride: sampleStride)
    }

    /// The view of one sample.
    public func sample(_ index: Int) -> Tensor {
        precondition(index >= 0 && index < shape.batch, "Tensor: sample \(index) of \(shape)")
        var one = shape
        one.batch = 1
        return Tensor(pointer + index * sampleStride, one, sampleStride: sampleStride)
    }
}
