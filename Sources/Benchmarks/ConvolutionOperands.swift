import Kernels
import Model

/// A convolution to be measured.
package struct BenchmarkedConvolution {
    let name: String
    let layer: LayerDescription
    let convolution: Convolution
    /// Whether its input gradient is wanted: the first layer of a network has none.
    let hasInputGradient: Bool
    /// Whether its input gradient is zeroed where the input is not positive, because the input comes from a ReLU.
    let isMasked: Bool
    /// Whether the output is rectified.
    let isRectified: Bool

    package init(name: String, layer: LayerDescription, hasInputGradient: Bool, isMasked: Bool) {
        guard let convolution = layer.convolution, let activation = (layer.layer as? any ConvolutionLayer)?.activation else {
            preconditionFailure("\(name) is no convolution")
        }
        (self.name, self.layer, self.convolution) = (name, layer, convolution)
        (self.hasInputGradient, self.isMasked, isRectified) = (hasInputGradient, isMasked, activation == .relu)
    }

    var batch: Int { convolution.input.batch }
    /// `3x3`, `1x1`, `2x2 up` after enlarging by 2, `2x2 transposed`, or `3x3 valid` without padding.
    var kernel: String {
        let suffix =
            switch convolution.kind {
            case .same: ""
            case .valid: " valid"
            case .upsampling: " up"
            case .transposed: " transposed"
            }
        return "\(convolution.kernelHeight)x\(convolution.kernelWidth)" + suffix
    }
    /// Operations of the direct form, 10⁹, of one pass over the batch.
    var gigaflop: Double { 2 * Double(layer.directMultiplyAdds * batch) / 1e9 }
}

/// Memory for a convolution and its three passes, filled with numbers that depend on the shape alone.
package final class ConvolutionOperands {
    let subject: BenchmarkedConvolution
    let device: Device
    package let input, output, outputGradient, inputGradient: Tensor
    /// In the kernels' layout, then bias; and their gradients.
    package let weights, weightGradient: UnsafeMutablePointer<Float>
    private let arena: Arena
    private let scratch: Arena

    package init(_ subject: BenchmarkedConvolution, on device: Device) {
        let convolution = subject.convolution
        self.subject = subject
        self.device = device
        let inputCount = convolution.input.sampleCount * convolution.input.batch
        let outputCount = convolution.output.sampleCount * convolution.output.batch
        let parameterCount = convolution.weightCount + convolution.output.blocks * 16
        arena = Arena(count: 2 * (inputCount + outputCount + parameterCount))
        scratch = Arena(count: convolution.scratchCount(on: device))
        var next = arena.pointer
        func take(_ count: Int) -> UnsafeMutablePointer<Float> {
            defer { next += count }
            return next
        }
        input = Tensor(take(inputCount), convolution.input)
        inputGradient = Tensor(take(inputCount), convolution.input)
        output = Tensor(take(outputCount), convolution.output)
        outputGradient = Tensor(take(outputCount), convolution.output)
        weights = take(parameterCount)
        weightGradient = take(parameterCount)
        fill()
    }

    var bias: UnsafeMutablePointer<Float> { weights + subject.convolution.weightCount }
    package var biasGradient: UnsafeMutablePointer<Float> { weightGradient + subject.convolution.weightCount }

    private func fill() {
        let layer = subject.layer
        fill(input, layer.inputs[0].layout, seed: 1)
        fill(outputGradient, layer.output.layout, seed: 2)
        let taps = subject.convolution.kernelHeight * subject.convolution.kernelWidth
        let values = benchmarkNumbers(layer.inputs[0].channels * layer.output.channels * taps, seed: 3)
        layer.inputs[0].layout.forEachWeight(to: layer.output.layout, taps: taps) { logical, stored in weights[stored] = values[logical] }
        for (value, lane) in zip(benchmarkNumbers(layer.output.channels, seed: 4), layer.output.layout.lanes) { bias[lane] = value }
    }

    private func fill(_ tensor: Tensor, _ layout: ChannelLayout, seed: UInt64) {
        for sample in 0..<tensor.shape.batch {
            layout.pack(
                benchmarkNumbers(layout.channels * tensor.shape.pixels, seed: seed + UInt64(sample) << 8), into: tensor.sample(sample))
        }
    }

    package func forward() {
        subject.convolution.forward(
            on: device, input: input, weights: weights, bias: bias, output: output, relu: subject.isRectified, scratch: scratch.pointer)
    }

    package func computeInputGradient() {
        subject.convolution.inputGradient(
            on: device, outputGradient: outputGradient, weights: weights, inputGradient: inputGradient, accumulate: false,
            mask: subject.isMasked ? input : nil, scratch: scratch.pointer)
    }

    /// Of every sample, one after the other as in a training step.
    package func computeWeightGradient() {
        for sample in 0..<subject.batch {
            subject.convolution.weightGradient(
                on: device, input: input, outputGradient: outputGradient, sample: sample, weightGradient: weightGradient,
                biasGradient: biasGradient, scratch: scratch.pointer)
        }
    }
}
