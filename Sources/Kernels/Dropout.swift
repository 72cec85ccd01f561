import CSIMD

/// Inverted dropout (Srivastava et al., 2014) whose mask is never stored: it is a function of a counter.
///
/// The 32 random bits of an element are those of Philox4x32-10 with the given key and the counter
/// (element / 4, sample's position, `ordinalWord`). Lane l of pixel p of block b is element
/// 4 (16 ⌊q / 4⌋ + l) + q mod 4 with q = b · pixels + p.
public struct Dropout: Sendable {
    /// Share of the elements that become zero, 0 ..< 1.
    public let rate: Float
    /// Philox key.
    public let key: SIMD2<UInt32>
    /// Last word of the counter: purpose and layer.
    public let ordinalWord: UInt32
    /// Position of sample 0 in the global stream of samples; sample i has position + i.
    public let firstPosition: UInt64

    /// Dropout of one layer in one step.
    public init(rate: Float, key: SIMD2<UInt32>, ordinalWord: UInt32, firstPosition: UInt64) {
        precondition(rate >= 0 && rate < 1, "Dropout: rate \(rate) is not in 0..<1")
        self.rate = rate
        self.key = key
        self.ordinalWord = ordinalWord
        self.firstPosition = firstPosition
    }

    /// Elements are dropped where their random bits are below this: ⌊rate · 2³²⌋.
    public var threshold: UInt32 { UInt32(Double(rate) * 0x1p32) }

    /// result (+)= input · m / (1 − rate), zeroed where `mask` is not positive. Forward and backward are the same map.
    public func apply(on device: Device, _ input: Tensor, to result: Tensor, accumulate: Bool = false, mask: Tensor? = nil) {
        precondition(
            input.shape == result.shape && (mask?.shape ?? input.shape) == input.shape, "Dropout: \(input.shape) to \(result.shape)")
        var a = csimd_dropout()
        a.input = UnsafePointer(input.pointer)
        a.result = result.pointer
        a.mask = mask.map { UnsafePointer($0.pointer) }
        a.inputStride = input.sampleStride
        a.resultStride = result.sampleStride
        a.maskStride = mask?.sampleStride ?? 0
        a.blocks = input.shape.blocks
        a.pixels = input.shape.pixels
        a.threshold = threshold
        a.scale = 1 / (1 - rate)
        a.key0 = key.x
        a.key1 = key.y
        a.counter3 = ordinalWord
        a.firstPosition = firstPosition
        a.accumulate = accumulate
        device.threads.run(input.shape.batch * input.shape.blocks, a, device.kernels.dropout)
    }
}
