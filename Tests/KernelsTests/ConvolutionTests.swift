import Kernels
import Testing

extension ConvolutionResults {
    /// Compares everything with the reference in double precision; padding lanes must be exactly zero.
    func expectCorrect(_ c: ConvolutionCase, sourceLocation: SourceLocation = #_sourceLocation) {
        let expected = c.expected, x = c.x, initial = c.initial, layout = c.logicalIndices
        func expect(_ error: Double, within tolerance: Double, _ what: String) {
            #expect(error <= tolerance, "\(what) of \(c.testDescription)", sourceLocation: sourceLocation)
        }
        for sample in 0..<c.batch {
            let y = ConvolutionCase.select(forward.images[sample], c.checkedOutputs)
            expect(
                c.error(y.values, expected.forward[sample].values, expectedNorm: c.expectedForwardNorm), within: c.forwardTolerance,
                "forward")
            // The rectified output is exactly the other's positive part.
            #expect(rectified.images[sample] == Reference.relu(forward.images[sample]), "ReLU of \(c.testDescription)")

            let inputs = c.checkedInputs
            let mask = ConvolutionCase.select(x[sample], inputs), start = ConvolutionCase.select(initial[sample], inputs)
            for (storage, result) in zip(storages, inputGradients) {
                var reference = expected.inputGradient[sample]
                for i in reference.values.indices {
                    if storage.accumulate { reference.values[i] += start.values[i] }
                    if storage.mask && !(mask.values[i] > 0) { reference.values[i] = 0 }
                }
                let values = ConvolutionCase.select(result.images[sample], inputs).values
                expect(
                    c.error(values, reference.values, expectedNorm: c.expectedInputGradientNorm), within: c.inputGradientTolerance,
                    "input gradient (\(storage))")
                if storage.mask { #expect(zip(values, mask.values).allSatisfy { $1 > 0 || $0 == 0 }, "mask of \(c.testDescription)") }
            }

            expect(
                c.error(
                    layout.checked.map { Double(weightGradients[sample].pointer[$0]) }, expected.weightGradient[sample],
                    expectedNorm: c.expectedWeightGradientNorm),
                within: c.weightGradientTolerance, "weight gradient")
            #expect(
                zip(weightGradients[sample].values, layout.isWeight).allSatisfy { $0 == 0 || $1 },
                "weight gradient in padding lanes of \(c.testDescription)", sourceLocation: sourceLocation)
            expect(
                c.error(
                    c.checkedOutputs.map { Double(biasGradients[sample].pointer[c.outputs.lanes[$0]]) }, expected.biasGradient[sample],
                    expectedNorm: c.expectedBiasGradientNorm),
                within: c.biasGradientTolerance, "bias gradient")
            let lanes = Set(c.outputs.lanes)
            #expect(biasGradients[sample].values.enumerated().allSatisfy { $1 == 0 || lanes.contains($0) })
        }
        for result in [forward, rectified] + inputGradients {
            #expect(result.strayLanes == 0, "padding lanes of \(c.testDescription)", sourceLocation: sourceLocation)
        }
    }
}

extension ConvolutionCase {
    /// Where the weights are stored: all of them, and those that are compared with the reference, in its order.
    var logicalIndices: (all: [Int], checked: [Int], isWeight: [Bool]) {
        var all = [Int](repeating: 0, count: outputs.channels * inputs.channels * taps)
        var isWeight = [Bool](repeating: false, count: plan().weightCount)
        inputs.forEachWeight(to: outputs, taps: taps) { logical, stored in
            all[logical] = stored
            isWeight[stored] = true
        }
        var checked: [Int] = []
        for k in checkedOutputs {
            for c in checkedInputs {
                let first = (k * inputs.channels + c) * taps
                checked += all[first..<(first + taps)]
            }
        }
        return (all, checked, isWeight)
    }
}

@Suite struct ConvolutionTests {
    /// All tensors are parts of concatenations here, so that strides and neighbours are tested with every shape.
    @Test("convolutions agree with the reference", arguments: KernelVariant.available, ConvolutionCase.table)
    func correctness(_ variant: KernelVariant, _ c: ConvolutionCase) {
        ConvolutionResults(c, on: variant.device(), strided: true).expectCorrect(c)
    }

    @Test("the rule chooses by kernel and channels")
    func rule() {
        func chosen(_ channels: Int, _ height: Int, _ width: Int, kind: Convolution.Kind = .same, image: (Int, Int) = (32, 32))
            -> ConvolutionAlgorithm
        {
            Convolution.algorithm(
                inputChannels: channels, height: image.0, width: image.1, kernelHeight: height, kernelWidth: width, kind: kind)
        }
        #expect(chosen(64, 3, 3) == .winograd4)
        #expect(chosen(4, 3, 3) == .winograd4)
        // F(6×6) where its tiles fit the image well enough.
        #expect(chosen(64, 3, 3, image: (16, 16)) == .winograd4)
        #expect(chosen(64, 3, 3, image: (64, 64)) == .winograd6)
        #expect(chosen(64, 3, 3, image: (256, 256)) == .winograd6)
        #expect(chosen(64, 3, 3, image: (6, 6)) == .winograd6)
        #expect(chosen(64, 3, 3, image: (512, 4)) == .winograd4)
        #expect(chosen(3, 3, 3) == .gathered)
        #expect(chosen(1, 7, 7) == .gathered)
        #expect(chosen(2, 7, 7) == .general)
        #expect(chosen(1, 1, 1) == .pointwise)
        #expect(chosen(64, 1, 1) == .pointwise)
        #expect(chosen(64, 5, 5) == .general)
        #expect(chosen(64, 1, 3) == .general)
        #expect(chosen(1, 2, 2, kind: .upsampling) == .upsampled)
        #expect(chosen(1, 2, 2, kind: .transposed) == .transposed)
        #expect(chosen(64, 3, 3, kind: .valid) == .winograd4)
        // Two parts of one channel fill two blocks: not the layout that gathering reads.
        let parts = ChannelLayout(parts: [1, 1])
        let plan = Convolution(
            input: Shape(batch: 1, blocks: parts.blocks, height: 4, width: 4), inputChannels: 2, outputBlocks: 1, kernelHeight: 3,
            kernelWidth: 3)
        #expect(plan.algorithm == .winograd4)
    }

    @Test("NaN in an input reaches the output through ReLU", arguments: KernelVariant.available)
    func notFinite(_ variant: KernelVariant) {
        for algorithm: ConvolutionAlgorithm in [.winograd4, .winograd6, .upsampled, .transposed, .pointwise, .gathered, .general] {
            let c = ConvolutionCase(algorithm, [2], [3], 6, 6), plan = c.plan(), device = variant.device()
            var x = c.x[0]
            x[1, 2, 3] = .nan
            let input = TestTensor(c.inputs, [x]), output = TestTensor(c.outputs, batch: 1, height: c.outputHeight, width: c.outputWidth)
            let weights = c.storedWeights, bias = c.storedBias, scratch = TestMemory(plan.scratchCount(on: device))
            plan.forward(
                on: device, input: input.tensor, weights: weights.pointer, bias: bias.pointer, output: output.tensor,
                relu: true,
                scratch: scratch.pointer)
            #expect(output.images[0].values.contains { $0.isNaN }, "\(algorithm)")
        }
    }
}
