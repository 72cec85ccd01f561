import CSIMD

/// What normalising layers are made of: sums over the pixels of each channel in double precision, and maps of each channel that are linear
/// in its values. Sums run over pieces of fixed size, in order: the same bits for any number of threads.
public enum ChannelNormalization {
    /// Pixels of one piece, small enough that it is still in the cache when it is read again.
    private static let piece = 256

    private static func pieces(_ shape: Shape) -> Int { (shape.pixels + piece - 1) / piece }

    /// Coefficients of one channel of one sample: `mean` is subtracted first.
    public struct Coefficients: BitwiseCopyable, Sendable {
        /// Nearest float of the mean.
        public var mean: Float
        /// The three others, in the kernels' order.
        public var first: Float, second: Float, third: Float

        /// Coefficients from their values.
        public init(mean: Float, _ first: Float, _ second: Float, _ third: Float = 0) {
            (self.mean, self.first, self.second, self.third) = (mean, first, second, third)
        }
    }

    /// Floats of scratch memory that the operations on images of this shape need.
    public static func scratchCount(_ shape: Shape) -> Int {
        let lanes = shape.batch * shape.blocks * 16
        return lanes * 4 + lanes * pieces(shape) * 2
    }

    private static func arguments(_ input: Tensor, _ scratch: UnsafeMutablePointer<Float>) -> csimd_normalization {
        var a = csimd_normalization()
        a.input = UnsafePointer(input.pointer)
        a.inputStride = input.sampleStride
        a.blocks = input.shape.blocks
        a.pixels = input.shape.pixels
        a.piece = piece
        a.pieces = pieces(input.shape)
        a.coefficients = UnsafePointer(scratch)
        return a
    }

    private static func tasks(_ shape: Shape) -> Int { shape.batch * shape.blocks * pieces(shape) }

    /// Where the pieces' sums lie.
    private static func sums(_ shape: Shape, _ scratch: UnsafeMutablePointer<Float>) -> UnsafeMutablePointer<Float> {
        scratch + shape.batch * shape.blocks * 64
    }

    /// Stores the coefficients of a lane of a sample, as the maps below take them.
    public static func set(
        _ coefficients: Coefficients, sample: Int, lane: Int, of shape: Shape, in scratch: UnsafeMutablePointer<Float>
    ) {
        let c = scratch + (sample * shape.blocks + lane / 16) * 64 + lane % 16
        c[0] = coefficients.mean
        c[16] = coefficients.first
        c[32] = coefficients.second
        c[48] = coefficients.third
    }

    /// Σ x and Σ x² over the pixels of each lane of each sample: `[batch][blocks · 16][2]`.
    public static func moments(
        on device: Device, _ input: Tensor, into result: UnsafeMutablePointer<Double>, scratch: UnsafeMutablePointer<Float>
    ) {
        let shape = input.shape, sums = sums(shape, scratch), pieces = pieces(shape)
        var a = arguments(input, scratch)
        a.result = sums
        device.threads.run(tasks(shape), a, device.kernels.moments)
        for plane in 0..<(shape.batch * shape.blocks) {
            for lane in 0..<16 {
                var first = 0.0, second = 0.0
                for piece in 0..<pieces {
                    let part = sums + (plane * pieces + piece) * 32 + lane, mean = Double(part[0])
                    let count = Double(min(ChannelNormalization.piece, shape.pixels - piece * ChannelNormalization.piece))
                    first += count * mean
                    second += Double(part[16]) + count * mean * mean
                }
                result[(plane * 16 + lane) * 2] = first
                result[(plane * 16 + lane) * 2 + 1] = second
            }
        }
    }

    /// Σ g and Σ g (x − mean) over the pixels of each lane of each sample, where coefficient `mean` has been set: `[batch][blocks · 16][2]`.
    public static func gradientMoments(
        on device: Device, _ input: Tensor, _ outputGradient: Tensor, into result: UnsafeMutablePointer<Double>,
        scratch: UnsafeMutablePointer<Float>
    ) {
        let shape = input.shape, sums = sums(shape, scratch), pieces = pieces(shape)
        precondition(outputGradient.shape == shape, "ChannelNormalization: \(shape), gradient \(outputGradient.shape)")
        var a = arguments(input, scratch)
        a.outputGradient = UnsafePointer(outputGradient.pointer)
        a.gradientStride = outputGradient.sampleStride
        a.result = sums
        device.threads.run(tasks(shape), a, device.kernels.gradientMoments)
        for plane in 0..<(shape.batch * shape.blocks) {
            for lane in 0..<16 {
                var first = 0.0, second = 0.0
                for piece in 0..<pieces {
                    let part = sums + (plane * pieces + piece) * 32 + lane
                    first += Double(part[0])
                    second += Double(part[16])
                }
                result[(plane * 16 + lane) * 2] = first
                result[(plane * 16 + lane) * 2 + 1] = second
            }
        }
    }

    /// output = (input − mean) · first + second with the coefficients that have been set, rectified with `relu`. May be the input's memory.
    public static func apply(
        on device: Device, _ input: Tensor, to output: Tensor, relu: Bool, scratch: UnsafeMutablePointer<Float>
    ) {
        precondition(input.shape == output.shape, "ChannelNormalization: \(input.shape) to \(output.shape)")
        var a = arguments(input, scratch)
        a.result = output.pointer
        a.resultStride = output.sampleStride
        a.relu = relu
        device.threads.run(tasks(input.shape), a, device.kernels.normalize)
    }

    /// inputGradient (+)= first · outputGradient + second · (input − mean) + third with the coefficients that have been set, zeroed where
    /// `mask` is not positive.
    public static func applyGradient(
        on device: Device, _ input: Tensor, _ outputGradient: Tensor, to inputGradient: Tensor, accumulate: Bool, mask: Tensor?,
        scratch: UnsafeMutablePointer<Float>
    ) {
        precondition(
            outputGradient.shape == input.shape && inputGradient.shape == input.shape && mask?.shape ?? input.shape == input.shape,
            "ChannelNormalization: \(input.shape), gradients \(inputGradient.shape), \(outputGradient.shape)")
        var a = arguments(input, scratch)
        a.outputGradient = UnsafePointer(outputGradient.pointer)
        a.gradientStride = outputGradient.sampleStride
        a.result = inputGradient.pointer
        a.resultStride = inputGradient.sampleStride
        a.mask = mask.map { UnsafePointer($0.pointer) }
        a.maskStride = mask?.sampleStride ?? 0
        a.accumulate = accumulate
        device.threads.run(tasks(input.shape), a, device.kernels.normalizeGradient)
    }
}
