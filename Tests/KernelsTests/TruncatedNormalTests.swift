import CounterRandom
import Foundation
import Kernels
import TestSupport
import Testing

@Suite struct TruncatedNormalTests {
    /// Φ(value) = ½ + q, by the C library's error function: the definition.
    @Test func inverse() {
        let half = erf(2.0.squareRoot()) / 2
        for i in 0...100_000 {
            let bits = UInt32(truncatingIfNeeded: i == 0 ? 0 : i * 42949 + 17)
            let value = Double(TruncatedNormal.value(bits)), q = Double(Int32(bitPattern: bits)) * half / 0x1p31
            // An error e of the value is one of φ(value) e in the probability: 6·10⁻⁷ · 0.3989, and the rounding of q.
            #expect(abs(erf(value / 2.0.squareRoot()) / 2 - q) < 2.5e-7, "\(bits)")
        }
        #expect(TruncatedNormal.value(0) == 0)
        for end in [Int32.min, .max] {
            let value = abs(TruncatedNormal.value(UInt32(bitPattern: end)))
            #expect(value <= 2 && value > 1.999_999)
        }
    }

    /// Moments of a normal cut at ±2, of 2²⁰ consecutive words of one stream; five deviations of each mean.
    @Test func moments() {
        let count = 1 << 20, stream = RandomStream(seed: 7, purpose: .initialization, ordinal: 3)
        var sums = [0.0, 0, 0, 0]
        for i in 0..<count {
            let value = Double(TruncatedNormal.value(stream.bits(at: i)))
            for power in 0..<4 { sums[power] += pow(value, Double(power + 1)) }
        }
        // E x² = 1 − 2·2φ(2)/(2Φ(2) − 1), E x⁴ = 3 E x² − 2·2³φ(2)/(2Φ(2) − 1); E x⁸ < 2⁴ E x⁴.
        let density = exp(-2.0) / (2 * Double.pi).squareRoot(), mass = erf(2.0.squareRoot())
        let second = 1 - 4 * density / mass, fourth = 3 * second - 16 * density / mass
        #expect((second.squareRoot() - 0.879_625_661_034_239_8).magnitude < 1e-12)
        for (power, (expected, square)) in [(0.0, second), (second, fourth), (0, 4 * fourth), (fourth, 16 * fourth)].enumerated() {
            let deviation = ((square - expected * expected) / Double(count)).squareRoot()
            #expect(abs(sums[power] / Double(count) - expected) < 5 * deviation, "moment \(power + 1)")
        }
    }

    /// Every weight is the function of its filter and element, in every layout, on any number of threads, and of the same bits under
    /// every instruction set; what stands for nothing is zero or left alone.
    @Test(arguments: KernelVariant.available) func weights(_ variant: KernelVariant) {
        for (inputs, outputs, taps) in [([1], [1], 1), ([3], [40], 9), ([20], [16], 4), ([5, 33], [70], 9), ([64], [128], 9)] {
            let input = ChannelLayout(parts: inputs), output = ChannelLayout(parts: outputs)
            let seed: UInt64 = 0x1234_5678_9ABC_DEF0, ordinal = 5, deviation: Float = 0.37
            let base = RandomStream(seed: seed, purpose: .initialization, ordinal: ordinal)
            let count = input.blocks * output.blocks * taps * 256
            for threads in [1, 3] {
                let memory = TestMemory([Float](repeating: 7, count: count))
                TruncatedNormal.fill(
                    on: variant.device(threads: threads), weights: memory.pointer, input: input, output: output, taps: taps,
                    deviation: deviation, key: base.key, ordinalWord: base.base.w)
                var expected = [Float](repeating: 7, count: count)
                for i in 0..<count where !output.lanes.contains(i / (256 * taps * input.blocks) * 16 + i % 16) {
                    if input.lanes.contains(i / (256 * taps) % input.blocks * 16 + i / 16 % 16) { expected[i] = 0 }
                }
                input.forEachWeight(to: output, taps: taps) { logical, stored in
                    let perFilter = input.channels * taps
                    let stream = RandomStream(
                        seed: seed, purpose: .initialization, ordinal: ordinal, position: UInt64(logical / perFilter))
                    expected[stored] = TruncatedNormal.value(stream.bits(at: logical % perFilter)) * deviation
                }
                #expect(memory.values.map(\.bitPattern) == expected.map(\.bitPattern), "\(inputs) to \(outputs), \(threads) threads")
                #expect(memory.guardsIntact)
            }
        }
    }
}
