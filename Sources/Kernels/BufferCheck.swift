import CSIMD

/// Checksum and norm of a flat buffer, by the device's threads: a number for each piece of fixed size, put together in order.
public final class BufferCheck {
    /// Floats in the buffers it is made for.
    public let count: Int
    /// Room for a number for each piece.
    let results: UnsafeMutablePointer<UInt64>
    /// Floats in one piece: a task of `Elementwise`, whose Adam leaves the checksums of its pieces here.
    static let piece = 1 << 16
    private var pieces: Int { (count + BufferCheck.piece - 1) / BufferCheck.piece }

    /// For buffers of `count` floats, a multiple of 16.
    public init(count: Int) {
        precondition(count % 16 == 0, "BufferCheck: \(count) floats are no multiple of 16")
        self.count = count
        results = .allocate(capacity: max(1, (count + BufferCheck.piece - 1) / BufferCheck.piece))
    }

    deinit { results.deallocate() }

    /// A number that differs when any float differs in any bit or in its place (two differences may cancel, by a chance of 2⁻³² a
    /// lane). The same for any number of threads and every instruction set.
    public func checksum(on device: Device, _ values: UnsafePointer<Float>) -> UInt64 {
        run(on: device, values, device.kernels.checksum)
        return combinedChecksum
    }

    /// The Euclidean norm, summed in double precision: finite if and only if every float is. The same bits for any number of threads
    /// and every instruction set.
    public func norm(on device: Device, _ values: UnsafePointer<Float>) -> Double {
        run(on: device, values, device.kernels.squareSum)
        return sum(0, pieces).squareRoot()
    }

    /// The pieces' numbers, added pairwise.
    private func sum(_ first: Int, _ end: Int) -> Double {
        if end - first <= 1 { return first == end ? 0 : Double(bitPattern: results[first]) }
        let middle = first + (end - first) / 2
        return sum(first, middle) + sum(middle, end)
    }

    /// The checksum of the buffer whose pieces' checksums are in `results`.
    var combinedChecksum: UInt64 {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for piece in 0..<pieces { hash = (hash ^ results[piece]) &* 0x100_0000_01B3 }
        return hash
    }

    private func run(on device: Device, _ values: UnsafePointer<Float>, _ kernel: csimd_task) {
        let a = csimd_check(values: values, results: results, count: count, piece: BufferCheck.piece)
        device.threads.run(pieces, a, kernel)
    }
}
