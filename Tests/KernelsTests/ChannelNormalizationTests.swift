import Kernels
import TestSupport
import Testing

@Suite struct ChannelNormalizationTests {
    /// A single pixel, less than a piece of 256 pixels, a piece and a bit, several pieces; parts that end in the middle of a block.
    static let cases = [([1], 1, 1), ([5, 17], 7, 9), ([33], 16, 17), ([20], 31, 40)]

    /// Everything that is computed on a device, bits and all.
    private func results(_ device: Device, _ parts: [Int], _ height: Int, _ width: Int) -> [[UInt64]] {
        let layout = ChannelLayout(parts: parts), batch = 2, lanes = layout.blocks * 16
        // Far from zero beside its deviation, which is where sums of squares would fail.
        let x = TestImages.random(layout, batch: batch, height: height, width: width, seed: 1).map { image in
            var image = image
            for i in image.values.indices { image.values[i] = Double(Float(image.values[i] + 30)) }
            return image
        }
        let g = TestImages.random(layout, batch: batch, height: height, width: width, seed: 2)
        let start = TestImages.random(layout, batch: batch, height: height, width: width, seed: 3)
        let input = TestTensor(layout, x, strided: true), gradient = TestTensor(layout, g, strided: true)
        let shape = input.tensor.shape, scratch = TestMemory(ChannelNormalization.scratchCount(shape))
        let pixels = height * width
        var bits: [[UInt64]] = []

        var sums = [Double](repeating: .nan, count: batch * lanes * 2)
        sums.withUnsafeMutableBufferPointer {
            ChannelNormalization.moments(on: device, input.tensor, into: $0.baseAddress!, scratch: scratch.pointer)
        }
        bits.append(sums.map(\.bitPattern))
        for sample in 0..<batch {
            for (channel, lane) in layout.lanes.enumerated() {
                let values = x[sample].values[(channel * pixels)..<((channel + 1) * pixels)], n = Double(pixels)
                let sum = sums[(sample * lanes + lane) * 2], squares = sums[(sample * lanes + lane) * 2 + 1]
                let mean = values.reduce(0, +) / n, variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / n
                #expect(abs(sum / n - mean) <= 8 * 0x1p-24 * abs(mean))
                // The variance, too, is right to single precision, though the mean is fifty times the deviation.
                #expect(abs(squares / n - sum / n * (sum / n) - variance) <= 1e-5 * variance + 1e-9)
            }
        }

        scratch.pointer.update(repeating: 0, count: scratch.count)
        func coefficients(_ lane: Int, _ sample: Int) -> ChannelNormalization.Coefficients {
            .init(mean: 30 + Float(lane % 3), 0.5 - Float(lane % 5), Float(sample) - 0.25, 0.125 * Float(lane % 7))
        }
        for sample in 0..<batch {
            for lane in layout.lanes {
                ChannelNormalization.set(coefficients(lane, sample), sample: sample, lane: lane, of: shape, in: scratch.pointer)
            }
        }
        sums.withUnsafeMutableBufferPointer {
            ChannelNormalization.gradientMoments(
                on: device, input.tensor, gradient.tensor, into: $0.baseAddress!, scratch: scratch.pointer)
        }
        bits.append(sums.map(\.bitPattern))
        for sample in 0..<batch {
            for (channel, lane) in layout.lanes.enumerated() {
                let mean = Double(coefficients(lane, sample).mean)
                var sum = 0.0, product = 0.0, size = 0.0
                for i in (channel * pixels)..<((channel + 1) * pixels) {
                    let d = x[sample].values[i] - mean, value = g[sample].values[i]
                    sum += value
                    product += value * d
                    size += abs(value) * (1 + abs(d))
                }
                #expect(abs(sums[(sample * lanes + lane) * 2] - sum) <= 1e-5 * size)
                #expect(abs(sums[(sample * lanes + lane) * 2 + 1] - product) <= 1e-5 * size)
            }
        }

        for relu in [false, true] {
            let output = TestTensor(layout, batch: batch, height: height, width: width, strided: true)
            ChannelNormalization.apply(on: device, input.tensor, to: output.tensor, relu: relu, scratch: scratch.pointer)
            for sample in 0..<batch {
                for (channel, lane) in layout.lanes.enumerated() {
                    let c = coefficients(lane, sample)
                    for i in (channel * pixels)..<((channel + 1) * pixels) {
                        let y = (x[sample].values[i] - Double(c.mean)) * Double(c.first) + Double(c.second)
                        #expect(abs(output.images[sample].values[i] - (relu ? max(y, 0) : y)) <= 1e-5)
                    }
                    if pixels > 100 { break }
                }
                bits.append(output.bits(sample: sample).map(UInt64.init))
            }
            #expect(output.strayLanes == 0 && output.surroundingsIntact)
        }
        for storage in GradientStorage.allCases {
            let result = TestTensor(layout, start, strided: true)
            ChannelNormalization.applyGradient(
                on: device, input.tensor, gradient.tensor, to: result.tensor, accumulate: storage.accumulate,
                mask: storage.mask ? gradient.tensor : nil, scratch: scratch.pointer)
            for sample in 0..<batch {
                let image = result.images[sample]
                for (channel, lane) in layout.lanes.enumerated() {
                    let c = coefficients(lane, sample)
                    for i in (channel * pixels)..<((channel + 1) * pixels) {
                        var y =
                            Double(c.first) * g[sample].values[i] + Double(c.second) * (x[sample].values[i] - Double(c.mean))
                            + Double(c.third)
                        if storage.accumulate { y += start[sample].values[i] }
                        if storage.mask && !(g[sample].values[i] > 0) { y = 0 }
                        #expect(abs(image.values[i] - y) <= 1e-5)
                    }
                    if pixels > 100 { break }
                }
                bits.append(result.bits(sample: sample).map(UInt64.init))
            }
            #expect(result.strayLanes == 0 && result.surroundingsIntact)
        }
        #expect(scratch.guardsIntact && input.surroundingsIntact && gradient.surroundingsIntact)
        return bits
    }

    @Test(arguments: KernelVariant.available) func agreesWithItsDefinition(_ variant: KernelVariant) {
        for (parts, height, width) in Self.cases {
            let one = results(variant.device(), parts, height, width)
            for threads in [2, 3] { #expect(results(variant.device(threads: threads), parts, height, width) == one) }
        }
    }
}
