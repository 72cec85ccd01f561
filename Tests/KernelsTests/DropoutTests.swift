import CounterRandom
import Kernels
import TestSupport
import Testing

@Suite struct DropoutTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var channels: Int, batch: Int, height: Int, width: Int, rate: Float
        /// A stream position beyond 32 bits shows that both words are used.
        var firstPosition: UInt64 = 0x1_0000_0002
        var testDescription: String { "\(channels) channels, \(height)×\(width), rate \(rate)" }
        static let table = [
            Case(channels: 16, batch: 1, height: 4, width: 4, rate: 0.5), Case(channels: 33, batch: 3, height: 3, width: 3, rate: 0.5),
            // Odd planes: a block's elements start in the middle of a group of four.
            Case(channels: 80, batch: 2, height: 1, width: 1, rate: 0.25), Case(channels: 64, batch: 2, height: 1, width: 2, rate: 0.9),
            Case(channels: 48, batch: 2, height: 5, width: 7, rate: 0.1),
            Case(channels: 20, batch: 2, height: 13, width: 3, rate: 0, firstPosition: 0),
            Case(channels: 2, batch: 2, height: 9, width: 9, rate: 0.999_999_94, firstPosition: .max - 1),
        ]
    }

    private func dropout(_ c: Case, firstPosition: UInt64? = nil) -> (Dropout, RandomStream) {
        let stream = RandomStream(seed: 0xFEDC_BA98_7654_3210, purpose: .dropout, ordinal: 7)
        return (Dropout(rate: c.rate, key: stream.key, ordinalWord: stream.base.w, firstPosition: firstPosition ?? c.firstPosition), stream)
    }

    /// The documented formula: element 4 (16 ⌊q / 4⌋ + lane) + q mod 4 of the sample's stream, q = block · pixels + pixel.
    private func isKept(_ c: Case, sample: Int, lane: Int, pixel: Int) -> Bool {
        let stream = RandomStream(seed: 0xFEDC_BA98_7654_3210, purpose: .dropout, ordinal: 7, position: c.firstPosition &+ UInt64(sample))
        let q = lane / 16 * c.height * c.width + pixel
        let bits = stream.bits(at: 4 * (16 * (q / 4) + lane % 16) + q % 4)
        return bits >= UInt32(Double(c.rate) * 4_294_967_296)
    }

    @Test(arguments: Case.table, KernelVariant.available) func mask(_ c: Case, _ variant: KernelVariant) {
        let layout = ChannelLayout(c.channels), pixels = c.height * c.width, (dropout, _) = dropout(c)
        let x = TestImages.random(layout, batch: c.batch, height: c.height, width: c.width, seed: 1)
        let initial = TestImages.random(layout, batch: c.batch, height: c.height, width: c.width, seed: 2)
        let producer = TestImages.random(layout, batch: c.batch, height: c.height, width: c.width, seed: 3)
        let scale = 1 / (1 - c.rate)
        var first: [[UInt32]] = []
        for threads in 1...4 {
            let device = variant.device(threads: threads)
            let input = TestTensor(layout, x, strided: true), mask = TestTensor(layout, producer, strided: true)
            var bits: [[UInt32]] = []
            for storage in GradientStorage.allCases {
                let result = TestTensor(layout, initial, strided: true)
                dropout.apply(
                    on: device, input.tensor, to: result.tensor, accumulate: storage.accumulate, mask: storage.mask ? mask.tensor : nil)
                for sample in 0..<c.batch {
                    var expected = x[sample]
                    for channel in 0..<c.channels {
                        for pixel in 0..<pixels {
                            let i = channel * pixels + pixel
                            var value = isKept(c, sample: sample, lane: channel, pixel: pixel) ? scale * Float(x[sample].values[i]) : 0
                            if storage.mask && !(producer[sample].values[i] > 0) { value = 0 }
                            expected.values[i] = Double(storage.accumulate ? Float(initial[sample].values[i]) + value : value)
                        }
                    }
                    #expect(result.images[sample] == expected, "\(storage)")
                    bits.append(result.bits(sample: sample))
                }
                #expect(result.strayLanes == 0 && result.surroundingsIntact)
            }
            if threads == 1 { first = bits }
            #expect(bits == first, "\(threads) threads")
        }
    }

    /// The share of kept elements is within five standard deviations of 1 − rate, and the mean is preserved.
    @Test(arguments: [0.1, 0.25, 0.5, 0.9] as [Float]) func rate(_ rate: Float) {
        let layout = ChannelLayout(64),
            ones = ReferenceImage<Double>(channels: 64, height: 64, width: 64, values: Array(repeating: 1, count: 1 << 18))
        let input = TestTensor(layout, [ones]), result = TestTensor(layout, batch: 1, height: 64, width: 64)
        Dropout(rate: rate, key: SIMD2(3, 4), ordinalWord: 5, firstPosition: 6)
            .apply(on: Device(), input.tensor, to: result.tensor)
        let values = result.images[0].values, n = Double(values.count)
        let kept = Double(values.filter { $0 != 0 }.count) / n, r = Double(rate)
        let deviation = (r * (1 - r) / n).squareRoot()
        #expect(abs(kept - (1 - r)) < 5 * deviation)
        #expect(abs(values.reduce(0, +) / n - 1) < 5 * deviation / (1 - r))
    }

    /// A sample's mask depends on its position in the stream alone.
    @Test(arguments: KernelVariant.available) func positions(_ variant: KernelVariant) {
        let c = Case.table[1], layout = ChannelLayout(c.channels), device = variant.device(threads: 2)
        let x = TestImages.random(layout, batch: c.batch, height: c.height, width: c.width, seed: 1)
        let all = TestTensor(layout, x), together = TestTensor(layout, batch: c.batch, height: c.height, width: c.width)
        dropout(c).0.apply(on: device, all.tensor, to: together.tensor)
        for sample in 0..<c.batch {
            let one = TestTensor(layout, [x[sample]]), alone = TestTensor(layout, batch: 1, height: c.height, width: c.width)
            dropout(c, firstPosition: c.firstPosition + UInt64(sample)).0
                .apply(on: device, one.tensor, to: alone.tensor)
            #expect(alone.bits(sample: 0) == together.bits(sample: sample))
        }
        #expect(together.images[0] != together.images[1])
    }
}
