import Kernels
import Model
import TestSupport
import Testing

/// Decoders, normalisations and architectures against PyTorch; see `Fixtures/write_architecture_fixture.py`.
@Suite struct PyTorchArchitectureTests {
    struct Case: CustomTestStringConvertible, Sendable {
        let testDescription: String
        var architecture = "unet"
        var decoder = ArchitectureOptions.Decoder.upsample
        var normalization = ArchitectureOptions.Normalization.none
        var size = 16, depth = 1

        func network(_ isa: InstructionSet, fixture: Fixture) throws -> Network {
            let node = try Architecture.named(architecture).graph(
                channels: 1, height: size, width: size,
                options: .init(baseChannels: 8, depth: depth, dropout: 0, decoder: decoder, normalization: normalization))
            let network = Network(training: node, batch: 3, device: Device(threads: 2, instructionSet: isa))
            network.initializeParameters(seed: 0)
            for parameter in network.parameters where parameter.isTrainable {
                parameter.setValues(
                    try fixture("\(testDescription)/parameters/\(parameter.name)"), in: network.parameterValues.baseAddress!)
            }
            network.fill(images: try fixture("\(testDescription)/input"), targets: try fixture("\(testDescription)/target"))
            return network
        }
    }

    static let cases = [
        Case(testDescription: "transpose", decoder: .transpose), Case(testDescription: "group", normalization: .group),
        Case(testDescription: "instance", normalization: .instance),
        Case(testDescription: "batch", decoder: .transpose, normalization: .batch),
        Case(testDescription: "unet-residual", architecture: "unet-residual"),
        Case(testDescription: "unet-residual-batch", architecture: "unet-residual", normalization: .batch),
        Case(testDescription: "attention-unet", architecture: "attention-unet"),
        Case(testDescription: "attention-unet-group", architecture: "attention-unet", normalization: .group),
        Case(testDescription: "unet-plus-plus", architecture: "unet-plus-plus", depth: 2),
        Case(testDescription: "unet-valid", architecture: "unet-valid", size: 22),
    ]

    @Test(arguments: cases, availableInstructionSets) func agrees(_ test: Case, _ isa: InstructionSet) throws {
        let fixture = try Fixture("architectures"), network = try test.network(isa, fixture: fixture)
        let pixels = 3 * network.outputShape.height * network.outputShape.width
        func loss() -> Double { network.losses.map(\.loss).reduce(0, +) / Double(pixels) }
        network.forward(training: true)
        #expect(relativeError(network.allLogits(), try fixture("\(test.testDescription)/logits")) < 1e-5)
        network.evaluateLoss(scale: 1 / Float(pixels))
        let expected = try fixture.file.read("\(test.testDescription)/loss", as: Double.self)[0]
        #expect(abs(loss() - expected) < 1e-6 * expected)
        network.backward(training: true)
        for parameter in network.parameters where parameter.isTrainable {
            let error = relativeError(network.gradient(of: parameter), try fixture("\(test.testDescription)/gradients/\(parameter.name)"))
            #expect(error < 3e-5, "\(parameter.name): \(error)")
        }

        let adam = Adam(count: network.trainableCount, learningRate: 1e-3)
        for expected in try fixture.file.read("\(test.testDescription)/adam_losses", as: Double.self) {
            network.forward(training: true)
            network.evaluateLoss(scale: 1 / Float(pixels))
            // Adam's steps along gradients that are next to nothing are as long as others, and these networks put out few pixels.
            #expect(abs(loss() - expected) < 3e-4 * expected, "step \(adam.step): \(loss()) instead of \(expected)")
            network.backward(training: true)
            network.updateState()
            adam.update(
                on: network.device, parameters: network.parameterValues.baseAddress!,
                gradients: UnsafePointer(network.gradientValues.baseAddress!))
        }
        for parameter in network.parameters where !parameter.isTrainable {
            let error = relativeError(
                parameter.values(in: network.parameterValues.baseAddress!), try fixture("\(test.testDescription)/after/\(parameter.name)"))
            #expect(error < 1e-4, "\(parameter.name): \(error)")
        }
        if test.normalization == .batch {
            network.forward()
            #expect(relativeError(network.allLogits(), try fixture("\(test.testDescription)/inference")) < 1e-3)
        }
    }
}
