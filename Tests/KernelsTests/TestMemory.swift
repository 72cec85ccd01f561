import Kernels

/// What surrounds the memory under test: a NaN with a recognisable payload, so that a read poisons results and a write is seen.
private let sentinel: UInt32 = 0x7FC0_DEAD

/// Aligned floats between two guard zones, freed with the object, which Swift may let go after its last use: where nothing reads
/// the object after the kernel has run, `withExtendedLifetime` must hold it.
/// The floats start as NaN, so that nothing is taken for granted.
final class TestMemory {
    let pointer: UnsafeMutablePointer<Float>
    let count: Int
    private let base: UnsafeMutableRawPointer
    private static let guardFloats = 256

    init(_ count: Int) {
        self.count = count
        base = .allocate(byteCount: (count + 2 * TestMemory.guardFloats) * 4, alignment: 64)
        let words = base.bindMemory(to: UInt32.self, capacity: count + 2 * TestMemory.guardFloats)
        words.initialize(repeating: sentinel, count: count + 2 * TestMemory.guardFloats)
        pointer = (base + TestMemory.guardFloats * 4).assumingMemoryBound(to: Float.self)
    }

    convenience init(_ values: [Float]) {
        self.init(values.count)
        pointer.update(from: values, count: values.count)
    }

    deinit { base.deallocate() }

    var values: [Float] { Array(UnsafeBufferPointer(start: pointer, count: count)) }
    var bits: [UInt32] { values.map(\.bitPattern) }

    /// Whether the guard zones still hold what they were made with.
    var guardsIntact: Bool {
        let words = base.assumingMemoryBound(to: UInt32.self), end = TestMemory.guardFloats + count
        return (0..<TestMemory.guardFloats).allSatisfy { words[$0] == sentinel && words[end + $0] == sentinel }
    }
}

/// A tensor in guarded memory, optionally the middle part of a larger concatenation. Padding lanes start as zero.
final class TestTensor {
    let tensor: Tensor
    let layout: ChannelLayout
    private let memory: TestMemory
    private let leading: Int, trailing: Int

    init(_ layout: ChannelLayout, batch: Int, height: Int, width: Int, strided: Bool = false) {
        self.layout = layout
        // A part of a concatenation: one strange block in front of it and two behind, in every sample.
        leading = strided ? height * width * 16 : 0
        trailing = 2 * leading
        let shape = Shape(batch: batch, blocks: layout.blocks, height: height, width: width)
        let stride = leading + shape.sampleCount + trailing
        memory = TestMemory(batch * stride)
        tensor = Tensor(memory.pointer + leading, shape, sampleStride: stride)
        for sample in 0..<batch { (tensor.pointer + sample * stride).update(repeating: 0, count: shape.sampleCount) }
    }

    convenience init(_ layout: ChannelLayout, _ images: [ReferenceImage<Double>], strided: Bool = false) {
        self.init(layout, batch: images.count, height: images[0].height, width: images[0].width, strided: strided)
        for (sample, image) in images.enumerated() { layout.pack(image.values.map { Float($0) }, into: tensor.sample(sample)) }
    }

    /// What the samples hold, without the padding lanes.
    var images: [ReferenceImage<Double>] {
        (0..<tensor.shape.batch).map { sample in
            var planar = [Float](repeating: 0, count: layout.channels * tensor.shape.pixels)
            layout.unpack(tensor.sample(sample), into: &planar)
            return ReferenceImage(
                channels: layout.channels, height: tensor.shape.height, width: tensor.shape.width, values: planar.map { Double($0) })
        }
    }

    /// All floats of one sample as bits, padding lanes included.
    func bits(sample: Int) -> [UInt32] {
        let start = tensor.pointer + sample * tensor.sampleStride
        return (0..<tensor.shape.sampleCount).map { start[$0].bitPattern }
    }

    /// How many floats in padding lanes are not zero.
    var strayLanes: Int {
        let real = Set(layout.lanes), pixels = tensor.shape.pixels
        var strays = 0
        for sample in 0..<tensor.shape.batch {
            for lane in 0..<(layout.blocks * 16) where !real.contains(lane) {
                let plane = tensor.pointer + sample * tensor.sampleStride + lane / 16 * pixels * 16 + lane % 16
                for pixel in 0..<pixels where plane[pixel * 16] != 0 { strays += 1 }
            }
        }
        return strays
    }

    /// Whether nothing outside the view was written.
    var surroundingsIntact: Bool {
        guard memory.guardsIntact else { return false }
        for sample in 0..<tensor.shape.batch {
            let start = tensor.pointer + sample * tensor.sampleStride
            for i in 0..<leading where start[i - leading].bitPattern != sentinel { return false }
            for i in 0..<trailing where start[tensor.shape.sampleCount + i].bitPattern != sentinel { return false }
        }
        return true
    }
}
