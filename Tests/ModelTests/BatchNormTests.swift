import Kernels
import Model
import TestSupport
import Testing

@Suite struct BatchNormTests {
    private static func network(_ blocks: [Range<Int>], threads: Int = 1) throws -> Network {
        let node = try Architecture.named("unet").graph(
            channels: 1, height: 16, width: 16, options: .init(baseChannels: 8, depth: 1, normalization: .batch))
        let network = Network(node, purpose: .training(blocks: blocks, split: treeSplit), device: Device(threads: threads))
        network.randomizeParameters(seed: 2)
        network.fill(images: testNumbers(network.batch * 256, seed: 3), targets: testLabels(network.batch * 256, seed: 4))
        return network
    }

    /// Logits, gradients of the whole batch and running statistics after a step, as bits.
    private static func step(_ blocks: [Range<Int>], threads: Int) throws -> [[UInt32]] {
        let network = try network(blocks, threads: threads)
        network.forward(training: true, seed: 1)
        network.evaluateLoss(scale: 1 / 256)
        network.backward(training: true, seed: 1)
        network.updateState()
        var gradient = Array(network.gradientValues[0..<network.arenaCount])
        for b in 1..<blocks.count { for i in gradient.indices { gradient[i] += network.gradientValues[b * network.arenaCount + i] } }
        return [network.allLogits(), gradient, Array(network.parameterValues)].map { $0.map(\.bitPattern) }
    }

    @Test func bitsDependNeitherOnThreadsNorOnBlocks() throws {
        let one = try Self.step([0..<4, 4..<6], threads: 1)
        #expect(try Self.step([0..<4, 4..<6], threads: 3) == one)
        let whole = try Self.step([0..<6], threads: 2)
        #expect(whole[0] == one[0] && whole[2] == one[2])
    }

    /// A step moves the loss as the gradient says, statistics and all: along the gradient the derivative is its norm.
    @Test func directionalDerivative() throws {
        let network = try Self.network([0..<3])
        func loss() -> Double {
            network.forward(training: true, seed: 1)
            network.evaluateLoss(scale: 1)
            return network.losses.map(\.loss).reduce(0, +)
        }
        _ = loss()
        network.backward(training: true, seed: 1)
        let start = network.parameters.map { $0.values(in: network.parameterValues.baseAddress!) }
        let gradients = network.parameters.map { network.gradient(of: $0) }
        let norm = gradients.joined().reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
        func lossAlong(_ t: Double) -> Double {
            for (p, parameter) in network.parameters.enumerated() {
                parameter.setValues(zip(start[p], gradients[p]).map { $0 + Float(t / norm) * $1 }, in: network.parameterValues.baseAddress!)
            }
            return loss()
        }
        let h = 1e-3, numeric = (lossAlong(h) - lossAlong(-h)) / (2 * h)
        #expect(norm > 1 && abs(numeric - norm) < 0.02 * norm, "\(numeric) against \(norm)")
    }

    /// Another sample in the batch changes what a sample gives while training, and nothing at inference.
    @Test func statisticsAreTheBatchs() throws {
        let network = try Self.network([0..<2])
        func first(training: Bool) -> [Float] {
            network.forward(training: training, seed: 1)
            return Array(network.allLogits()[0..<256])
        }
        let (trained, inferred) = (first(training: true), first(training: false))
        testNumbers(256, seed: 77).withUnsafeBufferPointer { network.setInput(sample: 1, $0.baseAddress!) }
        #expect(first(training: true) != trained && first(training: false) == inferred)
    }
}
