import Kernels

/// Group normalisation (Wu and He, 2018): each sample's channels are divided into groups, and the values of a group are brought to mean 0
/// and variance 1, then scaled and shifted by a learnt weight and bias of each channel. With one channel a group it is instance
/// normalisation (Ulyanov, Vedaldi and Lempitsky, 2016). Nothing depends on the other samples of a batch, and training and inference compute the same.
public struct GroupNorm: NormalizationLayer {
    /// Number of groups; nil for one of each channel.
    package let groups: Int?
    /// Applied afterwards.
    public let activation: Activation
    /// Added to the variance.
    public let epsilon: Double
    /// The architecture's name for it.
    public let name: String?

    /// - Parameters:
    ///   - groups: into how many the channels are divided, which must be possible without a rest; nil: each channel is a group.
    ///   - activation: applied afterwards.
    ///   - epsilon: added to the variance.
    ///   - name: of the layer in tables and checkpoints.
    public init(groups: Int?, activation: Activation = .linear, epsilon: Double = 1e-5, name: String? = nil) {
        precondition(groups ?? 1 > 0, "GroupNorm: \(groups!) groups")
        (self.groups, self.activation, self.epsilon, self.name) = (groups, activation, epsilon, name)
    }

    /// `GroupNorm n` or `InstanceNorm`, with the activation.
    public var kind: String { (groups.map { "GroupNorm \($0)" } ?? "InstanceNorm") + (activation == .relu ? " + ReLU" : "") }

    /// The input's, if its channels can be divided.
    public func outputShape(_ inputs: [NodeShape]) throws(NetworkError) -> NodeShape {
        if let groups, inputs[0].channels % groups != 0 {
            throw NetworkError("\(inputs[0].channels) channels cannot be divided into \(groups) groups")
        }
        return inputs[0]
    }

    /// Weight and bias.
    public func parameters(_ inputs: [NodeShape], _ output: NodeShape) -> [ParameterDescription] {
        [.channels("weight", output.layout, .ones), .bias(output.layout)]
    }

    private func channelsPerGroup(_ step: Step) -> Int { groups.map { step.inputShapes[0].channels / $0 } ?? 1 }

    /// Statistics of each group, then the map.
    public func forward(_ step: Step, _ pass: Pass) {
        let state = NormalizationState(step), shape = step.output.shape, layout = step.inputShapes[0].layout, size = channelsPerGroup(step)
        ChannelNormalization.moments(on: pass.device, step.inputs[0], into: state.statistics, scratch: step.scratch!)
        let count = Double(size * shape.pixels)
        for sample in 0..<shape.batch {
            for first in stride(from: 0, to: layout.channels, by: size) {
                var sum = 0.0, squares = 0.0
                for channel in first..<(first + size) {
                    let i = state.index(sample, layout.lanes[channel])
                    sum += state.statistics[i]
                    squares += state.statistics[i + 1]
                }
                let mean = sum / count, inverse = 1 / (max(0, squares / count - mean * mean) + epsilon).squareRoot()
                for channel in first..<(first + size) {
                    let i = state.index(sample, layout.lanes[channel])
                    state.statistics[i] = mean
                    state.statistics[i + 1] = inverse
                }
            }
        }
        applyStatistics(step, pass)
    }

    /// Of weight and bias; keeps the sums for `inputGradient`.
    public func parameterGradient(_ step: Step, _ pass: Pass, sample: Int, into gradient: UnsafeMutablePointer<Float>) {
        keepGradientSums(step, pass, sample: sample, into: gradient)
    }

    /// The gradient flows through the values and through their group's mean and variance.
    public func inputGradient(_ step: Step, _ pass: Pass) {
        guard let target = step.inputGradients[0] else { return }
        let state = NormalizationState(step), shape = step.output.shape, layout = step.inputShapes[0].layout, size = channelsPerGroup(step)
        let count = Double(size * shape.pixels)
        clearCoefficients(step)
        for sample in 0..<shape.batch {
            for first in stride(from: 0, to: layout.channels, by: size) {
                var sum = 0.0, product = 0.0
                for channel in first..<(first + size) {
                    let lane = layout.lanes[channel], i = state.index(sample, lane), weight = Double(step.parameters![lane])
                    sum += weight * state.gradientSums[i]
                    product += weight * state.gradientSums[i + 1]
                }
                for channel in first..<(first + size) {
                    setGradient(step, sample: sample, lane: layout.lanes[channel], ofMean: sum / count, ofDeviation: product / count)
                }
            }
        }
        applyGradient(step, pass, to: target)
    }

    /// The naive version.
    public func reference(_ inputs: [ReferenceImage<Double>], parameters: [[Double]]) -> ReferenceImage<Double> {
        let y = Reference.groupNormalization(
            inputs[0], groups: groups ?? inputs[0].channels, weight: parameters[0], bias: parameters[1], epsilon: epsilon)
        return activation == .relu ? Reference.relu(y) : y
    }
}
