import Foundation
import Kernels
import Model
import TestSupport
import Testing

@Suite struct ArchitectureTests {
    /// Each architecture builds at the sizes that its rule names and puts out what the rule says; others are refused with a reason.
    @Test(arguments: Architecture.all.map(\.name)) func sizes(_ name: String) throws {
        let architecture = try Architecture.named(name)
        for depth in [1, 2, 4] {
            let options = ArchitectureOptions(baseChannels: 1, depth: depth), rule = architecture.inputSize(options)
            let (height, width) = (rule.smallest, rule.smallest + rule.multiple)
            let output = try architecture.graph(channels: 2, height: height, width: width, options: options).shape
            #expect((output.channels, output.height, output.width) == (1, rule.output(of: height), rule.output(of: width)))
            #expect(rule.fits(height) && !rule.fits(height + 1) && rule.atMost(width + 1) == width && rule.atMost(height - 1) == nil)
            #expect(throws: NetworkError.self) { try architecture.graph(channels: 2, height: height + 1, width: width, options: options) }
            #expect(throws: NetworkError.self) {
                try architecture.graph(channels: 2, height: height - rule.multiple, width: width, options: options)
            }
            for length in [1, 7, 100, 512] {
                let input = rule.input(showing: length)
                #expect(rule.fits(input) && rule.output(of: input) >= length && rule.output(of: input) < length + rule.multiple)
            }
        }
    }

    /// The paper's figure.
    @Test func paper() throws {
        let options = ArchitectureOptions(decoder: .transpose), architecture = try Architecture.named("unet-valid")
        let rule = architecture.inputSize(options)
        #expect(rule.margin == 92 && rule.fits(572) && rule.output(of: 572) == 388 && rule.input(showing: 388) == 572)
        let graph = try architecture.graph(channels: 1, height: 572, width: 572, options: options)
        #expect((graph.shape.height, graph.shape.width) == (388, 388))
    }

    @Test func kerasNetworkIsOne() {
        for options in [ArchitectureOptions(decoder: .transpose), ArchitectureOptions(normalization: .group)] {
            #expect(throws: NetworkError.self) {
                try Architecture.named("unet-keras").graph(channels: 1, height: 16, width: 16, options: options)
            }
        }
    }

    /// The sum at the end of a residual block takes no memory of its own, and at inference neither does a normalisation.
    @Test func workInPlace() throws {
        func bytes(_ purpose: Network.Purpose, _ build: (Node) throws -> Node) throws -> Int {
            let network = Network(
                try build(Node(input: NodeShape(channels: 16, height: 64, width: 64))), purpose: purpose, device: Device())
            return network.memoryBytes
        }
        let plane = 64 * 64 * 16 * 4, training = Network.Purpose.training(blocks: [0..<1], split: treeSplit)
        let head: (Node) throws -> Node = { try Conv2D(1, kernelSize: 1)($0) }
        let sum = try bytes(training) { try head(Add()(Conv2D(16, kernelSize: 1)($0), Conv2D(16, kernelSize: 1)($0))) }
        let apart = try bytes(training) {
            try head(Add()(Conv2D(16, kernelSize: 1, activation: .relu)($0), Conv2D(16, kernelSize: 1)($0)))
        }
        // Of a rectified summand the value is needed for its mask; where it is not, the sum's value and gradient are saved.
        #expect(apart - sum >= plane && apart - sum <= 2 * plane)
        let normalized = try bytes(.inference(batch: 1)) { try head(BatchNorm2D(activation: .relu)(Conv2D(16, kernelSize: 1)($0))) }
        let plain = try bytes(.inference(batch: 1)) { try head(Conv2D(16, kernelSize: 1)($0)) }
        #expect(normalized - plain < plane / 2)
    }

    /// What a training network says when it does not train, an inference network says, too, though it shares more memory.
    @Test(arguments: Architecture.all.map(\.name), ArchitectureOptions.Normalization.allCases)
    func inferenceAgrees(_ name: String, _ normalization: ArchitectureOptions.Normalization) throws {
        if name == "unet-keras" && normalization != .none { return }
        let architecture = try Architecture.named(name)
        let options = ArchitectureOptions(baseChannels: 8, depth: 2, normalization: normalization)
        let side = architecture.inputSize(options).smallest
        let graph = try architecture.graph(channels: 1, height: side, width: side, options: options)
        let training = Network(training: graph, batch: 2, device: Device(threads: 2))
        training.randomizeParameters(seed: 4)
        training.fill(
            images: testNumbers(2 * side * side, seed: 1), targets: testLabels(2 * graph.shape.height * graph.shape.width, seed: 2))
        training.forward()
        let inference = Network(graph, purpose: .inference(batch: 2), device: Device(), sharing: training)
        testNumbers(2 * side * side, seed: 1).withUnsafeBufferPointer {
            for sample in 0..<2 { inference.setInput(sample: sample, $0.baseAddress! + sample * side * side) }
        }
        inference.forward()
        #expect(inference.allLogits() == training.allLogits() && Set(inference.allLogits()).count > 1)
    }
}
