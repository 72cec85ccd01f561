import Kernels
import TestSupport
import Testing

@Suite struct ElementwiseTests {
    @Test(arguments: KernelVariant.available) func copy(_ variant: KernelVariant) {
        let layout = ChannelLayout(parts: [5, 33]), batch = 3, height = 7, width = 5
        let x = TestImages.random(layout, batch: batch, height: height, width: width, seed: 1)
        let initial = TestImages.random(layout, batch: batch, height: height, width: width, seed: 2)
        let producer = TestImages.random(layout, batch: batch, height: height, width: width, seed: 3)
        for threads in 1...4 {
            let device = variant.device(threads: threads)
            for storage in GradientStorage.allCases {
                let source = TestTensor(layout, x, strided: true), mask = TestTensor(layout, producer)
                let result = TestTensor(layout, initial, strided: true)
                Elementwise.copy(
                    on: device, source.tensor, to: result.tensor, accumulate: storage.accumulate,
                    mask: storage.mask ? mask.tensor : nil)
                for sample in 0..<batch {
                    var expected = x[sample]
                    for i in expected.values.indices {
                        if storage.mask && !(producer[sample].values[i] > 0) { expected.values[i] = 0 }
                        if storage.accumulate { expected.values[i] = Double(Float(initial[sample].values[i]) + Float(expected.values[i])) }
                    }
                    #expect(result.images[sample] == expected, "\(storage), \(threads) threads")
                }
                #expect(result.strayLanes == 0 && result.surroundingsIntact)
            }
        }
    }

    /// Counts below, at and beyond the piece of 65536 floats that one task takes.
    static let counts = [0, 16, 48, 65536, 65552, 3 * 65536 - 16]

    @Test(arguments: counts, KernelVariant.available) func add(_ count: Int, _ variant: KernelVariant) {
        let a = testNumbers(count, seed: 1), b = testNumbers(count, seed: 2), sum = zip(a, b).map { $0 + $1 }
        for threads in 1...4 {
            let source = TestMemory(b), result = TestMemory(a)
            Elementwise.add(on: variant.device(threads: threads), source.pointer, to: result.pointer, count: count)
            #expect(result.values == sum && result.guardsIntact)
        }
    }

    /// PyTorch's formula in double precision. Its steps are independent for each parameter; a step in single precision errs by
    /// a few roundings of the update, and by one of the parameter.
    @Test(arguments: counts.dropFirst(), KernelVariant.available) func adam(_ count: Int, _ variant: KernelVariant) {
        let learningRate = 1e-3, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, steps = 5
        let start = testNumbers(count, seed: 1)
        // Gradients of many sizes, some of them zero, some as small as epsilon.
        let gradients = (1...steps).map { step in
            testNumbers(count, seed: 10 + UInt64(step)).enumerated().map { i, g in g * [1, 1e-3, 0, 1e-8, 100][i % 5] }
        }
        var w = start.map { Double($0) }, m = [Double](repeating: 0, count: count), v = m
        for (t, g) in zip(1..., gradients) {
            var power1 = 1.0, power2 = 1.0
            for _ in 0..<t {
                power1 *= beta1
                power2 *= beta2
            }
            for i in 0..<count {
                let g = Double(g[i])
                m[i] = beta1 * m[i] + (1 - beta1) * g
                v[i] = beta2 * v[i] + (1 - beta2) * g * g
                w[i] -= learningRate / (1 - power1) * m[i] / (v[i].squareRoot() / (1 - power2).squareRoot() + epsilon)
            }
        }
        var bits: [UInt32] = []
        for threads in 1...4 {
            let device = variant.device(threads: threads)
            let parameters = TestMemory(start), zeros = [Float](repeating: 0, count: count)
            let first = TestMemory(zeros), second = TestMemory(zeros)
            for (t, g) in zip(1..., gradients) {
                let g = TestMemory(g)
                let check = BufferCheck(count: count)
                let checksum = Elementwise.adam(
                    on: device, parameters: parameters.pointer, gradients: g.pointer, firstMoment: first.pointer,
                    secondMoment: second.pointer, count: count, learningRate: learningRate, beta1: beta1, beta2: beta2, epsilon: epsilon,
                    step: t, check: check)
                #expect(checksum == check.checksum(on: device, parameters.pointer))
            }
            #expect(parameters.guardsIntact && first.guardsIntact && second.guardsIntact)
            if threads == 1 {
                let u = 0x1p-24
                // Each step adds three roundings to a moment.
                #expect(relativeError(first.values, m) < 3 * Double(steps) * u)
                #expect(relativeError(second.values, v) < 4 * Double(steps) * u)
                // The whole change, which is what the optimizer is for: its own roundings, and one of a parameter below 1 in each step.
                let worst = (0..<count).map { i in abs((Double(parameters.values(i)) - Double(start[i])) - (w[i] - Double(start[i]))) }
                    .max()!
                #expect(worst <= Double(steps) * (u / 2 + 16 * u * learningRate * 10))
                #expect((0..<count).allSatisfy { $0 % 5 != 2 || parameters.values(($0)) == start[$0] }, "no gradient, no change")
            }
            let now = parameters.bits + first.bits + second.bits
            if threads == 1 { bits = now }
            #expect(now == bits, "\(threads) threads")
        }
    }
}

extension TestMemory {
    fileprivate func values(_ i: Int) -> Float { pointer[i] }
}
