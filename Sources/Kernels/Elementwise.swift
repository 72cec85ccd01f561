import CSIMD

/// Operations on whole tensors and flat buffers that only move memory.
public enum Elementwise {
    /// Floats in one task of a flat operation.
    static let piece = BufferCheck.piece

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
}
