import DataParallel
import Foundation
import Kernels
import Model
import Training

/// How far a network's results are from those of its naive version in double precision (`Network.reference`), on the smallest image that
/// the architecture takes.
package struct NetworkVerification {
    /// Norm of the logits' error over their norm.
    package let logits: Double
    /// Error of the gradient's products with two directions, over the size of these products: along the gradient itself with each parameter
    /// normalised, which shows a wrong size or sign, and along a random one, which shows what is missing.
    package let gradient: Double?

    /// What single precision may be off by: the U-Net's logits and gradients are off by some 1e-6, in half precision by 1e-3.
    package static let tolerance = 1e-4

    /// Verifies on one rank of each host, since a reference of a large network takes much memory. A collective.
    static func onEachHost(
        _ configuration: TrainingConfiguration, training: Bool, device: Device, communicator: Communicator
    ) throws -> NetworkVerification {
        let own = try communicator.agree("verifying the network") {
            communicator.placement.localRank == 0 ? try NetworkVerification(configuration, training: training, device: device) : nil
        }
        let logits = try communicator.allReduce(own?.logits ?? 0, .maximum)
        return NetworkVerification(
            logits: logits, gradient: training ? try communicator.allReduce(own?.gradient ?? 0, .maximum) : nil)
    }

    private init(logits: Double, gradient: Double?) { (self.logits, self.gradient) = (logits, gradient) }

    /// Throws `BenchmarkError` (`wrong`) with both figures when either is beyond the tolerance.
    package init(_ configuration: TrainingConfiguration, training: Bool, device: Device) throws {
        let graph = try Self.smallestGraph(configuration)
        let network = Network(
            graph,
            purpose: training ? .training(blocks: [0..<1], split: { BatchTree.split($0) }) : .inference(batch: 1), device: device,
            convolution: configuration.convolutionMethod)
        let image = benchmarkNumbers(network.inputShape.channels * network.inputShape.height * network.inputShape.width, seed: 1)
        let labels = benchmarkNumbers(network.outputShape.height * network.outputShape.width, seed: 2).map { Float($0 > 0 ? 1 : 0) }
        let comparison = Comparison(network: network, image: image, labels: labels)
        // Where a ReLU's input is nearly zero, single precision may take the other side, and the gradient jumps: one draw in ten has such a
        // place. A wrong kernel is wrong in each draw.
        var best: NetworkVerification?
        for attempt in 0..<4 where best?.isGood != true {
            guard let logits = comparison.logitsError(seed: UInt64(attempt)) else { continue }
            let found = NetworkVerification(logits: logits, gradient: training ? comparison.gradientError() : nil)
            if best == nil || found.isGood { best = found }
        }
        guard let best else { throw BenchmarkError(.wrong, "verification: the double-precision reference's logits are constant") }
        self = best
        guard isGood else {
            let gradientText = gradient.map { ", gradient off by \(scientific($0))" } ?? ""
            throw BenchmarkError(
                .wrong,
                "verification failed, nothing was timed: \(configuration.architecture), image \(network.inputShape), \(device.instructionSet): "
                    + "logits off by \(scientific(logits))\(gradientText) from the double-precision reference, allowed is "
                    + "\(scientific(Self.tolerance)); another UNET_ISA may do")
        }
    }

    /// Written so that not-a-number is not good.
    private var isGood: Bool { logits <= Self.tolerance && gradient ?? 0 <= Self.tolerance }

    /// The graph for the smallest square image that it can be built for.
    private static func smallestGraph(_ configuration: TrainingConfiguration) throws -> Node {
        let side = try configuration.inputSize.smallest
        return try Network.graph(configuration, channels: 1, height: side, width: side)
    }

    static func relativeError(_ values: [Float], _ reference: [Double]) -> Double {
        var difference = 0.0, norm = 0.0
        for (value, expected) in zip(values, reference) {
            difference += (Double(value) - expected) * (Double(value) - expected)
            norm += expected * expected
        }
        return (difference / norm).squareRoot()
    }

    /// The network and its naive version on the same image with the same parameters.
    private final class Comparison {
        private let network: Network
        private let image: [Float], labels: [Float]
        private var parameters: [[Double]] = []

        init(network: Network, image: [Float], labels: [Float]) { (self.network, self.image, self.labels) = (network, image, labels) }

        /// Draws parameters and compares the logits. `nil` where the reference's are constant: a head behind a dead ReLU proves nothing.
        func logitsError(seed: UInt64) -> Double? {
            draw(seed: seed)
            let expected = logits()
            guard expected.contains(where: { abs($0 - expected[0]) > 1e-6 }) else { return nil }
            image.withUnsafeBufferPointer { network.setInput(sample: 0, $0.baseAddress!) }
            network.forward()
            var computed = [Float](repeating: 0, count: expected.count)
            computed.withUnsafeMutableBufferPointer { network.logits(sample: 0, into: $0.baseAddress!) }
            return NetworkVerification.relativeError(computed, expected)
        }

        /// Weights with the variance that a training starts with, and positive biases, so that every path carries a signal.
        private func draw(seed: UInt64) {
            parameters = network.parameters.enumerated().map { ordinal, parameter in
                let inputs = parameter.shape.dropFirst().reduce(1, *), isOfChannels = parameter.shape.count == 1
                // Uniform in ±a has the variance a² / 3. What starts at one (scales, variances) stays near it.
                let scale = isOfChannels ? 0.1 : (6 / Float(inputs)).squareRoot()
                let shift: Float = parameter.initializer == .ones ? 1 : (isOfChannels ? 0.1 : 0)
                let values = benchmarkNumbers(parameter.count, seed: seed &* 1000 &+ UInt64(ordinal)).map { scale * $0 + shift }
                parameter.setValues(values, in: network.parameterMemory.pointer)
                return values.map(Double.init)
            }
        }

        private func logits() -> [Double] {
            let shape = network.inputShape
            let image = ReferenceImage<Double>(
                channels: shape.channels, height: shape.height, width: shape.width, values: image.map(Double.init))
            return network.reference(image, parameters: parameters).values
        }

        /// Mean binary cross-entropy of the reference.
        private func loss() -> Double {
            let z = logits()
            return z.indices.map { max(z[$0], 0) - Double(labels[$0]) * z[$0] + log1p(exp(-abs(z[$0]))) }.reduce(0, +) / Double(z.count)
        }

        /// The loss' slope along `direction`, by a central difference.
        private func slope(along direction: [[Float]]) -> Double {
            // Directions are as long as the parameters. So small that hardly a ReLU changes sides on the way: 1e-7 is too long for
            // the gradient's own direction, along which all channels move together.
            let step = 1e-9
            func move(by factor: Double) {
                for p in parameters.indices {
                    for i in parameters[p].indices { parameters[p][i] += factor * Double(direction[p][i]) }
                }
            }
            move(by: step)
            let above = loss()
            move(by: -2 * step)
            let below = loss()
            move(by: step)
            return (above - below) / (2 * step)
        }

        /// Compares the gradient of the parameters that were drawn last.
        func gradientError() -> Double {
            _ = labels.withUnsafeBufferPointer { network.target(sample: 0).update(fromContentsOf: $0) }
            network.evaluateLoss(scale: 1 / Float(labels.count))
            network.backward(training: false)
            func gradient(_ p: Int) -> [Float] { network.parameters[p].values(in: network.gradientValues.baseAddress!) }
            func norm<T: BinaryFloatingPoint>(_ values: [T]) -> Double { values.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot() }

            // Running statistics have no gradient, though the loss depends on them.
            func still(_ p: Int) -> [Float]? {
                network.parameters[p].isTrainable ? nil : [Float](repeating: 0, count: parameters[p].count)
            }
            func along(_ p: Int) -> [Float] {
                if let still = still(p) { return still }
                let gradient = gradient(p), length = norm(gradient)
                guard length > 0 else { return gradient }
                let scale = Float(norm(parameters[p]) / length)
                return gradient.map { $0 * scale }
            }
            func random(_ p: Int) -> [Float] {
                if let still = still(p) { return still }
                let size = Float(norm(parameters[p]) / Double(parameters[p].count).squareRoot())
                return benchmarkNumbers(parameters[p].count, seed: 1000 + UInt64(p)).map { $0 < 0 ? -size : size }
            }
            var worst = 0.0
            for kind in [along, random] {
                let direction = parameters.indices.map(kind)
                var product = 0.0, squares = 0.0
                for p in parameters.indices {
                    let gradient = gradient(p)
                    for i in gradient.indices {
                        let term = Double(gradient[i]) * Double(direction[p][i])
                        product += term
                        squares += term * term
                    }
                }
                let error = abs(product - slope(along: direction)) / max(abs(product), squares.squareRoot())
                // Not-a-number (a gradient that is zero or not finite) stays.
                worst = error.isNaN ? .nan : max(worst, error)
            }
            return worst
        }
    }
}
