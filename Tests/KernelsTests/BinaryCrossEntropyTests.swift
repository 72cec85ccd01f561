import Foundation
import Kernels
import TestSupport
import Testing

@Suite struct BinaryCrossEntropyTests {
    private let layout = ChannelLayout(1)

    /// Logits of all sizes, extreme ones and both zeros first.
    private func logits(_ count: Int) -> [Float] {
        let extremes: [Float] = [100, -100, 100, -100, 0, -0.0, 1e4, -1e4, 88, -88, 17, -17, 1e-6, -1e-6, .leastNonzeroMagnitude, 3e38]
        return Array((extremes + testNumbers(count, seed: 1).enumerated().map { $1 * [1, 5, 30][$0 % 3] }).prefix(count))
    }
    /// Both zeros are foreground here, so that the wrong class for probability ½ cannot cancel in the count.
    private func target(_ count: Int) -> [Float] {
        Array(([1, 1, 0, 0, 1, 1, 0, 0] + testNumbers(count, seed: 2).map { $0 > 0 ? 1 : 0 }).prefix(count))
    }

    private func loss(_ z: Double, _ t: Double) -> Double { max(z, 0) - t * z + log1p(exp(-abs(z))) }
    private func sigmoid(_ z: Double) -> Double { z >= 0 ? 1 / (1 + exp(-z)) : exp(z) / (1 + exp(z)) }

    @Test(arguments: [(1, 1), (1, 7), (13, 1), (7, 5), (30, 13)]) func agreesWithDouble(height: Int, width: Int) {
        let count = height * width, z = logits(count), t = target(count), scale: Float = 1 / Float(count)
        let image = ReferenceImage<Double>(channels: 1, height: height, width: width, values: z.map { Double($0) })
        let expected = zip(z, t).map { loss(Double($0), Double($1)) }
        let correct = zip(z, t).filter { ($0 > 0) == ($1 == 1) }.count
        var first: ([UInt32], UInt64)?
        for threads in 1...4 {
            for inPlace in [false, true] {
                let device = Device(threads: threads)
                let input = TestTensor(layout, [image], strided: true)
                let gradient = inPlace ? input : TestTensor(layout, batch: 1, height: height, width: width)
                let labels = TestMemory(t)
                let rows = UnsafeMutablePointer<BinaryCrossEntropy.Sums>.allocate(capacity: height)
                defer { rows.deallocate() }
                let sums = BinaryCrossEntropy.evaluate(
                    on: device, logits: input.tensor, target: labels.pointer, gradient: gradient.tensor, scale: scale, rows: rows)
                // Each pixel's loss is rounded a few times in single precision, the sum is in double.
                #expect(abs(sums.loss - expected.reduce(0, +)) <= expected.reduce(0) { $0 + 4 * 0x1p-24 * max($1, 1) })
                #expect(sums.correct == correct)
                for i in 0..<count {
                    let g = (sigmoid(Double(z[i])) - Double(t[i])) * Double(scale)
                    #expect(abs(Double(gradient.tensor.pointer[i * 16]) - g) <= 3 * 0x1p-24 * Double(scale), "z = \(z[i]), t = \(t[i])")
                }
                #expect(gradient.strayLanes == 0 && gradient.surroundingsIntact && input.surroundingsIntact)
                let bits = (gradient.bits(sample: 0), sums.loss.bitPattern)
                if let first { #expect(bits == first, "\(threads) threads, in place \(inPlace)") } else { first = bits }
            }
        }
    }

    @Test func probabilities() {
        let z = logits(200)
        let image = ReferenceImage<Double>(channels: 1, height: 10, width: 20, values: z.map { Double($0) })
        let result = TestMemory(200)
        let input = TestTensor(layout, [image])
        BinaryCrossEntropy.probabilities(input.tensor, into: result.pointer)
        for (z, p) in zip(z, result.values) {
            #expect(p >= 0 && p <= 1 && abs(Double(p) - sigmoid(Double(z))) <= 2 * 0x1p-24, "z = \(z)")
        }
        // A confident answer keeps its magnitude: no probability is rounded to zero that single precision can hold.
        #expect(relativeError([result.values[9]], [sigmoid(-88)]) < 1e-6)
        #expect(result.guardsIntact)
    }

    @Test func notFinite() {
        let image = ReferenceImage<Double>(channels: 1, height: 1, width: 3, values: [1, .nan, 2]), labels = TestMemory([1, 1, 0])
        let input = TestTensor(layout, [image]), gradient = TestTensor(layout, batch: 1, height: 1, width: 3)
        var rows = BinaryCrossEntropy.Sums()
        let sums = BinaryCrossEntropy.evaluate(
            on: Device(), logits: input.tensor, target: labels.pointer, gradient: gradient.tensor, scale: 1,
            rows: &rows)
        #expect(sums.loss.isNaN && gradient.images[0].values[1].isNaN && !gradient.images[0].values[0].isNaN)
    }
}
