import CSIMD

/// Operations on whole tensors and flat buffers that only move memory.
public enum Elementwise {
    /// Floats in one task of a flat operation.
    private static let piece = BufferCheck.piece

    /// result (+)= source, zeroed where `mask` is not positive.
    public static func copy(on device: Device, _ source: Tensor, to result: Tensor, accumulate: Bool = false, mask: Tensor? = nil) {
        precondition(
            source.shape == result.shape && (mask?.shape ?? source.shape) == source.shape, "copy: \(source.shape) to \(result.shape)")
        var a = csimd_copy()
        a.source = UnsafePointer(source.pointer)
        a.destination = result.pointer
        a.mask = mask.map { UnsafePointer($0.pointer) }
        a.sourceStride = source.sampleStride
        a.destinationStride = result.sampleStride
        a.maskStride = mask?.sampleStride ?? 0
        a.blocks = source.shape.blocks
        a.pixels = source.shape.pixels
        a.accumulate = accumulate
        device.threads.run(source.shape.batch * source.shape.blocks, a, device.kernels.copy)
    }

    /// sum += source over `count` floats, a multiple of 16.
    public static func add(on device: Device, _ source: UnsafePointer<Float>, to sum: UnsafeMutablePointer<Float>, count: Int) {
        precondition(count % 16 == 0, "add: \(count) floats are no multiple of 16")
        let a = csimd_add(source: source, destination: sum, count: count, piece: piece)
        device.threads.run((count + piece - 1) / piece, a, device.kernels.add)
    }

    /// One Adam update of `count` parameters (a multiple of 16), in PyTorch's form:
    /// m = β₁m + (1 − β₁)g, v = β₂v + (1 − β₂)g², w −= (η / (1 − β₁ᵗ)) m / (√v / √(1 − β₂ᵗ) + ε).
    ///
    /// - Parameters:
    ///   - step: t, counted from 1.
    ///   - check: made for `count` floats; what it held is lost.
    /// - Returns: the checksum of the new parameters, as `check` would compute it.
    public static func adam(
        on device: Device, parameters: UnsafeMutablePointer<Float>, gradients: UnsafePointer<Float>,
        firstMoment: UnsafeMutablePointer<Float>,
        secondMoment: UnsafeMutablePointer<Float>, count: Int, learningRate: Double, beta1: Double, beta2: Double, epsilon: Double,
        step: Int, check: BufferCheck
    ) -> UInt64 {
        precondition(check.count == count && step >= 1, "adam: \(count) parameters, a check of \(check.count), step \(step)")
        let correction1 = 1 - power(beta1, step), correction2 = 1 - power(beta2, step)
        let a = csimd_adam(
            parameters: parameters, firstMoment: firstMoment, secondMoment: secondMoment, gradients: gradients, checksums: check.results,
            count: count,
            piece: piece,
            beta1: Float(beta1), beta2: Float(beta2), rest1: Float(1 - beta1), rest2: Float(1 - beta2),
            stepSize: Float(learningRate / correction1),
            secondCorrection: Float(1 / correction2.squareRoot()), epsilon: Float(epsilon))
        device.threads.run((count + piece - 1) / piece, a, device.kernels.adam)
        return check.combinedChecksum
    }

    /// base^exponent by squaring: the same bits on every machine, unlike libm's pow.
    private static func power(_ base: Double, _ exponent: Int) -> Double {
        var result = 1.0, factor = base, rest = exponent
        while rest > 0 {
            if rest & 1 == 1 { result *= factor }
            factor *= factor
            rest >>= 1
        }
        return result
    }
}
