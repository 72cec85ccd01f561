import Kernels
import Testing

/// How an input gradient is stored.
struct GradientStorage: Sendable, CaseIterable {
    let accumulate, mask: Bool
    static let allCases = [false, true].flatMap { a in [false, true].map { GradientStorage(accumulate: a, mask: $0) } }
}

/// Everything that one convolution computes on one device.
struct ConvolutionResults {
    var forward: TestTensor
    var rectified: TestTensor
    /// In the order of the case's `storages`.
    var inputGradients: [TestTensor] = []
    private(set) var storages: [GradientStorage] = []
    /// Of each sample, as stored.
    var weightGradients: [TestMemory] = []
    var biasGradients: [TestMemory] = []

    /// Runs all operations on the samples `order` of a case; checks that nothing outside the results was written.
    /// With `strided`, every tensor is a part of a concatenation.
    init(_ c: ConvolutionCase, on device: Device, order: [Int]? = nil, strided: Bool = false) {
        let order = order ?? Array(0..<c.batch), plan = c.plan(batch: order.count)
        let x = c.x, gradient = c.gradient, initial = c.initial
        let input = TestTensor(c.inputs, order.map { x[$0] }, strided: strided)
        let outputGradient = TestTensor(c.outputs, order.map { gradient[$0] }, strided: strided)
        let weights = c.storedWeights, bias = c.storedBias
        let scratch = TestMemory(plan.scratchCount(on: device))

        func output() -> TestTensor {
            TestTensor(c.outputs, batch: order.count, height: c.outputHeight, width: c.outputWidth, strided: strided)
        }
        forward = output()
        rectified = output()
        for (relu, result) in [(false, forward), (true, rectified)] {
            plan.forward(
                on: device, input: input.tensor, weights: weights.pointer, bias: bias.pointer, output: result.tensor, relu: relu,
                scratch: scratch.pointer)
            #expect(result.surroundingsIntact && scratch.guardsIntact, "forward wrote outside its memory")
        }
        storages = c.storages
        for storage in storages {
            let result = TestTensor(c.inputs, order.map { initial[$0] }, strided: strided)
            plan.inputGradient(
                on: device, outputGradient: outputGradient.tensor, weights: weights.pointer, inputGradient: result.tensor,
                accumulate: storage.accumulate, mask: storage.mask ? input.tensor : nil, scratch: scratch.pointer)
            #expect(result.surroundingsIntact && scratch.guardsIntact, "inputGradient wrote outside its memory")
            inputGradients.append(result)
        }
        for sample in order.indices {
            let w = TestMemory(plan.weightCount), b = TestMemory(c.outputs.blocks * 16)
            plan.weightGradient(
                on: device, input: input.tensor, outputGradient: outputGradient.tensor, sample: sample, weightGradient: w.pointer,
                biasGradient: b.pointer, scratch: scratch.pointer)
            #expect(w.guardsIntact && b.guardsIntact && scratch.guardsIntact, "weightGradient wrote outside its memory")
            weightGradients.append(w)
            biasGradients.append(b)
        }
        #expect(input.surroundingsIntact && outputGradient.surroundingsIntact)
    }

    /// Names and bits of everything computed for one sample.
    func bits(sample: Int) -> [(String, [UInt32])] {
        [("forward", forward.bits(sample: sample)), ("forward with ReLU", rectified.bits(sample: sample))]
            + zip(storages, inputGradients).map { ("inputGradient, \($0)", $1.bits(sample: sample)) }
            + [("weightGradient", weightGradients[sample].bits), ("biasGradient", biasGradients[sample].bits)]
    }
}
