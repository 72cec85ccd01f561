import Kernels
import TestSupport
import Testing

/// Pooling only selects, so every comparison is exact.
@Suite struct MaxPoolingTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var channels = 20
        var batch = 2
        var height: Int, width: Int
        var testDescription: String { "\(channels) channels, \(height)×\(width)" }
        static let table = [
            Case(height: 2, width: 2), Case(height: 3, width: 3), Case(height: 1, width: 5), Case(height: 4, width: 7),
            Case(height: 7, width: 4),
            Case(channels: 1, batch: 1, height: 13, width: 30), Case(channels: 48, batch: 3, height: 8, width: 6),
        ]
    }

    /// Few different values, so that most windows have ties; half of them not positive, as before a ReLU.
    private func images(_ c: Case, seed: UInt64, levels: Float) -> [ReferenceImage<Double>] {
        (0..<c.batch).map { sample in
            ReferenceImage(
                channels: c.channels, height: c.height, width: c.width,
                values: testNumbers(c.channels * c.height * c.width, seed: seed + UInt64(sample)).map { Double(($0 * levels).rounded()) })
        }
    }

    @Test(arguments: Case.table, KernelVariant.available) func agreesWithReference(_ c: Case, _ variant: KernelVariant) {
        let layout = ChannelLayout(c.channels)
        for levels: Float in [1, 1000] {
            let x = images(c, seed: 1, levels: levels), initial = images(c, seed: 2, levels: 1000)
            let gradient = TestImages.random(layout, batch: c.batch, height: c.height / 2, width: c.width / 2, seed: 3)
            var bits: [[[UInt32]]] = []
            for threads in 1...4 {
                let device = variant.device(threads: threads)
                let input = TestTensor(layout, x, strided: true)
                let output = TestTensor(layout, batch: c.batch, height: c.height / 2, width: c.width / 2, strided: true)
                MaxPooling.forward(on: device, input: input.tensor, output: output.tensor)
                #expect(output.images == x.map { Reference.maxPooling($0) })
                #expect(output.strayLanes == 0 && output.surroundingsIntact)
                bits.append((0..<c.batch).map { output.bits(sample: $0) })

                let outputGradient = TestTensor(layout, gradient, strided: true)
                for storage in GradientStorage.allCases {
                    let result = TestTensor(layout, initial, strided: true)
                    MaxPooling.backward(
                        on: device, input: input.tensor, output: output.tensor, outputGradient: outputGradient.tensor,
                        inputGradient: result.tensor, accumulate: storage.accumulate, mask: storage.mask)
                    for sample in 0..<c.batch {
                        var expected = Reference.maxPoolingGradient(x[sample], gradient[sample])
                        for i in expected.values.indices {
                            // The gradient that arrives is masked, not what is already there: that was masked by its own layer.
                            if storage.mask && !(x[sample].values[i] > 0) { expected.values[i] = 0 }
                            if storage.accumulate {
                                expected.values[i] = Double(Float(initial[sample].values[i]) + Float(expected.values[i]))
                            }
                        }
                        #expect(result.images[sample] == expected, "\(storage)")
                    }
                    #expect(result.strayLanes == 0 && result.surroundingsIntact)
                    bits.append((0..<c.batch).map { result.bits(sample: $0) })
                }
            }
            let perDevice = 1 + GradientStorage.allCases.count
            for i in perDevice..<bits.count { #expect(bits[i] == bits[i % perDevice], "threads change the bits") }
        }
    }

    @Test("NaN anywhere in a window is its maximum", arguments: KernelVariant.available) func notFinite(_ variant: KernelVariant) {
        let layout = ChannelLayout(1)
        for position in 0..<4 {
            var x = ReferenceImage<Double>(channels: 1, height: 2, width: 2, values: [1, 2, 3, 4])
            x.values[position] = .nan
            let input = TestTensor(layout, [x]), output = TestTensor(layout, batch: 1, height: 1, width: 1)
            MaxPooling.forward(on: variant.device(), input: input.tensor, output: output.tensor)
            #expect(output.images[0].values[0].isNaN, "position \(position)")
        }
    }
}
