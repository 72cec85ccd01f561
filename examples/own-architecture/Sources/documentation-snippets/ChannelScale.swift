import Foundation
import Kernels
import Model

/// Multiplies each channel by a number of its own, which is learnt: y = s · x, s₀ = 1.
struct ChannelScale: Layer {
    let name: String?
    init(name: String? = nil) { self.name = name }

    var kind: String { "ChannelScale" }

    func outputShape(_ inputs: [NodeShape]) throws(NetworkError) -> NodeShape { inputs[0] }

    func parameters(_ inputs: [NodeShape], _ output: NodeShape) -> [ParameterDescription] {
        [.channels("weight", output.layout, .ones)]
    }

    func forward(_ step: Step, _ pass: Pass) {
        let x = step.inputs[0], y = step.output, scale = step.parameters!
        forEachLane(of: y.shape) { sample, offset, lane in
            y.pointer[sample * y.sampleStride + offset] = scale[lane] * x.pointer[sample * x.sampleStride + offset]
        }
    }

    func inputGradient(_ step: Step, _ pass: Pass) {
        guard let target = step.inputGradients[0], let gradient = step.outputGradient else { return }
        let result = target.tensor, scale = step.parameters!
        forEachLane(of: gradient.shape) { sample, offset, lane in
            // Where the input is rectified, nothing flows back to what is zero.
            let isOff = target.mask.map { $0.pointer[sample * $0.sampleStride + offset] <= 0 } ?? false
            let value = isOff ? 0 : scale[lane] * gradient.pointer[sample * gradient.sampleStride + offset]
            let place = sample * result.sampleStride + offset
            result.pointer[place] = target.accumulate ? result.pointer[place] + value : value
        }
    }

    func parameterGradient(_ step: Step, _ pass: Pass, sample: Int, into result: UnsafeMutablePointer<Float>) {
        let x = step.inputs[0].sample(sample), gradient = step.outputGradient!.sample(sample)
        result.update(repeating: 0, count: x.shape.blocks * 16)
        forEachLane(of: x.shape) { _, offset, lane in result[lane] += x.pointer[offset] * gradient.pointer[offset] }
    }

    func reference(_ inputs: [ReferenceImage<Double>], parameters: [[Double]]) -> ReferenceImage<Double> {
        var y = inputs[0]
        let pixels = y.height * y.width
        for i in y.values.indices { y.values[i] *= parameters[0][i / pixels] }
        return y
    }

    /// Calls `body` for each float: its sample, its offset in the sample, and its lane, the channel counted over blocks of sixteen.
    private func forEachLane(of shape: Shape, _ body: (_ sample: Int, _ offset: Int, _ lane: Int) -> Void) {
        for sample in 0..<shape.batch {
            for offset in 0..<shape.sampleCount {
                body(sample, offset, offset / (shape.pixels * 16) * 16 + offset % 16)
            }
        }
    }
}

/// The layer's fast passes beside its specification: the largest error of the output, and of the gradient of a scale.
func checkChannelScale() throws -> (output: Double, gradient: Double) {
    let channels = 3, height = 6, width = 10, pixels = height * width
    let input = Node(input: NodeShape(channels: channels, height: height, width: width))
    let graph = try Conv2D(1, kernelSize: 1)(ChannelScale()(Conv2D(18, kernelSize: 3, activation: .relu)(input)))
    let network = Network(graph, purpose: .training(batch: 1), device: Device())
    network.initializeParameters(seed: 1)
    let image = (0..<channels * pixels).map { Float($0 * 7919 % 101) / 101 }
    network.setInput(sample: 0, image)
    for i in 0..<pixels { network.target(sample: 0)[i] = Float(i % 3 / 2) }
    network.forward()
    var logits = [Float](repeating: 0, count: pixels)
    network.logits(sample: 0, into: &logits)
    network.evaluateLoss(scale: 1 / Float(pixels))
    network.backward(training: false)

    // The same in double precision by the naive versions: Σ ln(1 + eᶻ) − t z, and its slope along one parameter.
    let values = network.parameters.map { $0.values(in: network.parameterMemory.pointer).map(Double.init) }
    let sample = ReferenceImage<Double>(channels: channels, height: height, width: width, values: image.map(Double.init))
    func loss(_ parameters: [[Double]]) -> Double {
        network.reference(sample, parameters: parameters).values.enumerated().map { i, z in
            max(z, 0) - Double(i % 3 / 2) * z + log1p(exp(-abs(z)))
        }.reduce(0, +) / Double(pixels)
    }
    let output = zip(logits, network.reference(sample, parameters: values).values).map { abs(Double($0) - $1) }.max()!

    let number = network.parameters.firstIndex { $0.initializer == .ones }!
    let analytic = network.parameters[number].values(in: network.gradientValues.baseAddress!)
    var gradient = 0.0
    for channel in analytic.indices {
        var (up, down) = (values, values)
        up[number][channel] += 1e-4
        down[number][channel] -= 1e-4
        gradient = max(gradient, abs(Double(analytic[channel]) - (loss(up) - loss(down)) / 2e-4))
    }
    return (output, gradient)
}
