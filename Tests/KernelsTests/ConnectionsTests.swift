import Foundation
import Kernels
import TestSupport
import Testing

@Suite struct ConnectionsTests {
    private let layout = ChannelLayout(parts: [5, 33])

    private func random(_ layout: ChannelLayout, _ height: Int, _ width: Int, _ seed: UInt64) -> [ReferenceImage<Double>] {
        TestImages.random(layout, batch: 2, height: height, width: width, seed: seed)
    }

    @Test(arguments: KernelVariant.available) func sum(_ variant: KernelVariant) {
        let a = random(layout, 7, 5, 1), b = random(layout, 7, 5, 2)
        for threads in [1, 3] {
            let device = variant.device(threads: threads)
            for relu in [false, true] {
                let first = TestTensor(layout, a, strided: true), second = TestTensor(layout, b)
                let result = TestTensor(layout, batch: 2, height: 7, width: 5, strided: true)
                Connections.sum(on: device, first.tensor, second.tensor, to: result.tensor, relu: relu)
                for sample in 0..<2 {
                    let expected = zip(a[sample].values, b[sample].values).map { x, y in
                        let sum = Double(Float(x) + Float(y))
                        return relu ? max(sum, 0) : sum
                    }
                    #expect(result.images[sample].values == expected)
                }
                #expect(result.strayLanes == 0 && result.surroundingsIntact && first.surroundingsIntact)
                // In place of the first.
                Connections.sum(on: device, first.tensor, second.tensor, to: first.tensor, relu: relu)
                #expect(first.images == result.images)
            }
        }
    }

    /// Also far from zero, where e^−|z| is nothing, and where the gate is not a number.
    @Test(arguments: KernelVariant.available) func gate(_ variant: KernelVariant) {
        let one = ChannelLayout(1), height = 33, width = 40  // more than one piece of 1024 pixels
        let x = random(layout, height, width, 1), g = random(layout, height, width, 2), start = random(layout, height, width, 4)
        let gateStart = random(one, height, width, 5)
        let q = random(one, height, width, 3).map { image in
            var image = image
            for i in image.values.indices { image.values[i] = Double(Float(image.values[i] * [1, 10, 60, 200][i % 4])) }
            return image
        }
        var bits: [[UInt32]]?
        for threads in [1, 2, 4] {
            let device = variant.device(threads: threads)
            let input = TestTensor(layout, x, strided: true), gate = TestTensor(one, q), gradient = TestTensor(layout, g, strided: true)
            let output = TestTensor(layout, batch: 2, height: height, width: width, strided: true)
            Connections.gate(on: device, input.tensor, by: gate.tensor, to: output.tensor)
            var now = [output.bits(sample: 0), output.bits(sample: 1)]
            for sample in 0..<2 {
                let expected = Reference.gate(x[sample], by: q[sample])
                for (value, reference) in zip(output.images[sample].values, expected.values) {
                    #expect(abs(value - reference) <= 4 * 0x1p-24 * abs(reference) + 1e-37)
                }
            }
            #expect(output.strayLanes == 0 && output.surroundingsIntact)
            for storage in GradientStorage.allCases {
                let ofInput = TestTensor(layout, start, strided: true), ofGate = TestTensor(one, gateStart, strided: true)
                Connections.gateGradient(
                    on: device, input.tensor, by: gate.tensor, outputGradient: gradient.tensor,
                    ofInput: .init(ofInput.tensor, accumulate: storage.accumulate, mask: storage.mask),
                    ofGate: .init(ofGate.tensor, accumulate: storage.accumulate, mask: storage.mask))
                for sample in 0..<2 {
                    let pixels = height * width, result = ofInput.images[sample], gateResult = ofGate.images[sample]
                    for p in 0..<pixels {
                        let z = q[sample].values[p], s = 1 / (1 + exp(-z))
                        var dot = 0.0, size = 0.0
                        for c in 0..<layout.channels {
                            let i = c * pixels + p, product = g[sample].values[i] * x[sample].values[i]
                            dot += product
                            size += abs(product)
                            if c % 7 != 0 { continue }
                            var expected = s * g[sample].values[i] + (storage.accumulate ? start[sample].values[i] : 0)
                            if storage.mask && !(x[sample].values[i] > 0) { expected = 0 }
                            #expect(abs(result.values[i] - expected) <= 1e-6)
                        }
                        var expected = dot * s * (1 - s) + (storage.accumulate ? gateStart[sample].values[p] : 0)
                        if storage.mask && !(z > 0) { expected = 0 }
                        #expect(abs(gateResult.values[p] - expected) <= 1e-6 * (1 + size))
                    }
                    now += [ofInput.bits(sample: sample), ofGate.bits(sample: sample)]
                }
                #expect(ofInput.strayLanes == 0 && ofInput.surroundingsIntact && ofGate.strayLanes == 0 && ofGate.surroundingsIntact)
            }
            if bits == nil { bits = now }
            #expect(now == bits, "\(threads) threads")
        }
        var broken = q
        broken[0][0, 0, 0] = .nan
        let input = TestTensor(layout, x), gate = TestTensor(one, broken)
        let output = TestTensor(layout, batch: 2, height: height, width: width)
        Connections.gate(on: variant.device(), input.tensor, by: gate.tensor, to: output.tensor)
        #expect(output.images[0][0, 0, 0].isNaN && !output.images[0][0, 0, 1].isNaN)
    }

    @Test(arguments: KernelVariant.available) func crop(_ variant: KernelVariant) {
        for (height, width, smallHeight, smallWidth) in [(1, 1, 1, 1), (9, 8, 4, 3), (12, 7, 8, 7), (6, 11, 1, 2)] {
            let x = random(layout, height, width, 1), g = random(layout, smallHeight, smallWidth, 2),
                start = random(layout, height, width, 3)
            let top = (height - smallHeight) / 2, left = (width - smallWidth) / 2
            let device = variant.device(threads: 2)
            let input = TestTensor(layout, x, strided: true), gradient = TestTensor(layout, g, strided: true)
            let output = TestTensor(layout, batch: 2, height: smallHeight, width: smallWidth, strided: true)
            Connections.crop(on: device, input.tensor, to: output.tensor)
            for sample in 0..<2 {
                #expect(
                    output.images[sample] == Reference.crop(x[sample], top: top, left: left, height: smallHeight, width: smallWidth))
            }
            #expect(output.strayLanes == 0 && output.surroundingsIntact)
            for storage in GradientStorage.allCases {
                let result = TestTensor(layout, start, strided: true)
                Connections.cropGradient(
                    on: device, gradient.tensor, to: result.tensor, accumulate: storage.accumulate,
                    mask: storage.mask ? input.tensor : nil)
                for sample in 0..<2 {
                    var expected = Reference.cropGradient(g[sample], top: top, left: left, height: height, width: width)
                    for i in expected.values.indices {
                        if storage.accumulate { expected.values[i] = Double(Float(expected.values[i]) + Float(start[sample].values[i])) }
                        if storage.mask && !(x[sample].values[i] > 0) { expected.values[i] = 0 }
                    }
                    #expect(result.images[sample] == expected, "\(storage)")
                }
                #expect(result.strayLanes == 0 && result.surroundingsIntact)
            }
        }
    }
}
