import Kernels
import TestSupport
import Testing

/// Upsampling followed by the general convolution against the combined kernels, which have their own comparison with the reference.
@Suite struct UpsamplingTests {
    @Test(arguments: [1, 3]) func generalAgreesWithCombined(_ threads: Int) {
        for (inputs, outputs, height, width) in [(5, 20, 1, 1), (33, 16, 5, 3), (64, 32, 8, 7)] {
            let batch = 2, device = Device(threads: threads), small = ChannelLayout(inputs), large = ChannelLayout(outputs)
            let shape = Shape(batch: batch, blocks: small.blocks, height: height, width: width)
            let weightCount = small.blocks * large.blocks * 4 * 256
            let weights = TestMemory([Float](repeating: 0, count: weightCount))
            let values = testNumbers(inputs * outputs * 4, seed: 1)
            small.forEachWeight(to: large, taps: 4) { logical, stored in weights.pointer[stored] = values[logical] }
            let bias = TestMemory(testNumbers(large.blocks * 16, seed: 2).enumerated().map { $0 < outputs ? $1 : 0 })
            let x = TestImages.random(small, batch: batch, height: height, width: width, seed: 3)
            let gradient = TestImages.random(large, batch: batch, height: 2 * height, width: 2 * width, seed: 4)
            let initial = TestImages.random(small, batch: batch, height: height, width: width, seed: 5)

            func results(_ algorithm: ConvolutionAlgorithm) -> [[Float]] {
                let plan = Convolution(
                    input: shape, inputChannels: inputs, outputBlocks: large.blocks, kernelHeight: 2, kernelWidth: 2, kind: .upsampling,
                    algorithm: algorithm)
                #expect(plan.algorithm == algorithm)
                let scratch = TestMemory(plan.scratchCount(on: device))
                let input = TestTensor(small, x, strided: true), outputGradient = TestTensor(large, gradient, strided: true)
                let output = TestTensor(large, batch: batch, height: 2 * height, width: 2 * width, strided: true)
                plan.forward(
                    on: device, input: input.tensor, weights: weights.pointer, bias: bias.pointer, output: output.tensor, relu: true,
                    scratch: scratch.pointer)
                var all = [output.images.flatMap { $0.values.map { Float($0) } }]
                for (accumulate, mask) in [(false, false), (true, true)] {
                    let result = TestTensor(small, initial, strided: true)
                    plan.inputGradient(
                        on: device, outputGradient: outputGradient.tensor, weights: weights.pointer, inputGradient: result.tensor,
                        accumulate: accumulate, mask: mask ? input.tensor : nil, scratch: scratch.pointer)
                    all.append(result.images.flatMap { $0.values.map { Float($0) } })
                    #expect(result.surroundingsIntact && result.strayLanes == 0)
                }
                for sample in 0..<batch {
                    let weightGradient = TestMemory(weightCount), biasGradient = TestMemory(large.blocks * 16)
                    plan.weightGradient(
                        on: device, input: input.tensor, outputGradient: outputGradient.tensor, sample: sample,
                        weightGradient: weightGradient.pointer, biasGradient: biasGradient.pointer, scratch: scratch.pointer)
                    all.append(weightGradient.values)
                    all.append(biasGradient.values)
                    #expect(weightGradient.guardsIntact && biasGradient.guardsIntact)
                }
                #expect(scratch.guardsIntact && output.surroundingsIntact)
                return all
            }
            for (direct, combined) in zip(results(.general), results(.upsampled)) {
                // Sums of at most 4 · 64 products of numbers below 1, in two orders: a rounding of each partial sum.
                let worst = zip(direct, combined).map { abs($0 - $1) }.max()!
                #expect(
                    direct.count == combined.count && worst < 256 * 8 * 0x1p-24, "\(inputs) to \(outputs), \(height)×\(width): \(worst)")
                #expect(direct.contains { $0 != 0 })
            }
        }
    }

    @Test func warningAboutOpenBLAS() {
        #expect(OpenBLAS.warning(coreName: "Prescott", best: .avx512)?.contains("OPENBLAS_CORETYPE=SkylakeX") == true)
        #expect(OpenBLAS.warning(coreName: "Generic", best: .avx2)?.contains("OPENBLAS_CORETYPE=Haswell") == true)
        #expect(OpenBLAS.warning(coreName: "Prescott", best: .baseline) == nil)
        for core in ["Haswell", "SkylakeX", "Zen", "Cooperlake"] { #expect(OpenBLAS.warning(coreName: core, best: .avx512) == nil) }
        #expect(!OpenBLAS.coreName.isEmpty)
    }
}
