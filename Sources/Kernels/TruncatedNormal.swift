import CSIMD

/// Normal numbers of deviation 1 cut at ±2, each made of one random word: initial weights, quickly and in any order.
///
/// The distribution function's inverse in place of Box and Muller's method and rejection: an element is a function of its own
/// random word alone. Only operations that IEEE 754 rounds exactly, so that every instruction set gives the same bits.
public enum TruncatedNormal {
    /// The value for 32 random bits: Φ⁻¹(½ + q), q uniform in ±(Φ(2) − ½). With r = ¼ − q² that is q P(r) / Q(r): a minimax fit of
    /// degrees 4 and 4 (relative error 7·10⁻⁸) whose coefficients are positive, so that nothing cancels; in single precision
    /// the result is off by at most 6·10⁻⁷.
    public static func value(_ bits: UInt32) -> Float {
        let q = Float(Int32(bitPattern: bits)) * 0x1.e8b43p-33
        let r = 0.25 - q * q
        var p = r * 34704.58 + 94706.19
        p = p * r + 24169.932
        p = p * r + 1052.1017
        p = p * r + 6.22102
        var d = r * 40442.992 + 43945.64
        d = d * r + 7223.526
        d = d * r + 229.57489
        d = d * r + 1
        return q * (p / d)
    }

    /// Fills the weights of a convolution from `input` to `output`, in the kernels' blocked order. Lanes that stand for no filter
    /// become zero, those that stand for no input channel are left alone.
    ///
    /// - Parameters:
    ///   - weights: [output block][input block][tap][16][16].
    ///   - taps: kernel rows · columns.
    ///   - deviation: what each value is multiplied by.
    ///   - key, ordinalWord: the key and the last counter word of the random stream. Filter k takes the stream's position k, and
    ///     its element (channel · taps + tap) the word of that number.
    public static func fill(
        on device: Device, weights: UnsafeMutablePointer<Float>, input: ChannelLayout, output: ChannelLayout, taps: Int,
        deviation: Float, key: SIMD2<UInt32>, ordinalWord: UInt32
    ) {
        var filters = [UInt32](repeating: .max, count: output.blocks * 16)
        for (filter, lane) in output.lanes.enumerated() { filters[lane] = UInt32(filter) }
        filters.withUnsafeBufferPointer { filters in
            input.lanes.withUnsafeBufferPointer { lanes in
                let a = csimd_initialization(
                    weights: weights, filters: filters.baseAddress, lanes: lanes.baseAddress, inputBlocks: input.blocks,
                    channels: input.channels, taps: taps, deviation: deviation, key0: key.x, key1: key.y, counter3: ordinalWord)
                device.threads.run(output.blocks, a, device.kernels.truncatedNormal)
            }
        }
    }
}
