import Foundation
import Kernels
import Model
import TestSupport
import Testing

/// Analytic gradients of the fast kernels against central differences of the naive network in double precision.
@Suite struct NumericGradientTests {
    /// A small graph under test. Each ends in one channel, or in one for each class.
    struct Case: CustomTestStringConvertible, Sendable {
        let testDescription: String
        let channels, height, width, threads: Int
        /// Allowed relative error: more where a parameter's gradient is a small difference of large numbers.
        let tolerance: Double
        let build: @Sendable (Node) throws -> Node
        init(
            _ name: String, _ channels: Int = 2, _ height: Int = 6, _ width: Int = 10, threads: Int = 2, tolerance: Double = 2e-5,
            _ build: @escaping @Sendable (Node) throws -> Node
        ) {
            testDescription = name
            self.channels = channels
            self.height = height
            self.width = width
            self.threads = threads
            self.tolerance = tolerance
            self.build = build
        }
    }

    static let cases: [Case] = [
        Case("Conv2D 1×1", 5) { try Conv2D(1, kernelSize: 1)($0) },
        Case("Conv2D 3×3 of one channel", 1, 7, 5) { try Conv2D(1, kernelSize: 1)(Conv2D(3, kernelSize: 3)($0)) },
        Case("Conv2D 3×3", 5, 7, 9) { try Conv2D(1, kernelSize: 3)($0) },
        Case("Conv2D 2×2", 3) { try Conv2D(1, kernelSize: 2)(Conv2D(3, kernelSize: 1)($0)) },
        Case("Conv2D 5×5", 4, 5, 7) { try Conv2D(1, kernelSize: 5)(Conv2D(17, kernelSize: 1)($0)) },
        Case("ReLU", 2) { try Conv2D(1, kernelSize: 3)(Conv2D(4, kernelSize: 3, activation: .relu)($0)) },
        Case("ReLU at the output", 2) { try Conv2D(1, kernelSize: 3, activation: .relu)($0) },
        Case("UpsamplingConv2D", 3, 3, 5) { try UpsamplingConv2D(1)(Conv2D(3, kernelSize: 1)($0)) },
        Case("UpsamplingConv2D + ReLU", 3, 3, 5) {
            try Conv2D(1, kernelSize: 1)(UpsamplingConv2D(5, activation: .relu)(Conv2D(3, kernelSize: 3, activation: .relu)($0)))
        },
        Case("Conv2D 3×3 without bias", 5, 7, 9) { try Conv2D(1, kernelSize: 1)(Conv2D(3, kernelSize: 3, usesBias: false)($0)) },
        Case("Conv2D 3×3 unpadded", 5, 7, 9) { try Conv2D(1, kernelSize: 3, padding: .valid)($0) },
        Case("Conv2D 3×3 unpadded of one channel", 1, 9, 12) {
            try Conv2D(1, kernelSize: 3, padding: .valid)(Conv2D(17, kernelSize: 3, activation: .relu, padding: .valid)($0))
        },
        Case("Conv2D 2×2 and 5×5 unpadded, without bias", 3, 8, 9) {
            try Conv2D(1, kernelSize: 5, padding: .valid, usesBias: false)(Conv2D(3, kernelSize: 2, padding: .valid)($0))
        },
        Case("TransposedConv2D", 3, 3, 5) { try TransposedConv2D(1)(Conv2D(3, kernelSize: 1)($0)) },
        Case("TransposedConv2D + ReLU without bias", 3, 3, 5) {
            try Conv2D(1, kernelSize: 1)(
                TransposedConv2D(17, activation: .relu, usesBias: false)(Conv2D(3, kernelSize: 3, activation: .relu)($0)))
        },
        Case("GroupNorm", 2) { try Conv2D(1, kernelSize: 3)(GroupNorm(groups: 3)(Conv2D(18, kernelSize: 3)($0))) },
        Case("GroupNorm of one group, of a ReLU", 2) {
            try Conv2D(1, kernelSize: 3)(GroupNorm(groups: 1, activation: .relu)(Conv2D(5, kernelSize: 3, activation: .relu)($0)))
        },
        Case("InstanceNorm + ReLU", 2) {
            try Conv2D(1, kernelSize: 3)(GroupNorm(groups: nil, activation: .relu)(Conv2D(5, kernelSize: 3, usesBias: false)($0)))
        },
        Case("InstanceNorm of a concatenation that is used again", 2) {
            let a = try Conv2D(3, kernelSize: 3, activation: .relu)($0), b = try Conv2D(2, kernelSize: 1)($0)
            let both = try Concatenate()(a, b)
            return try Conv2D(1, kernelSize: 3)(Concatenate()(GroupNorm(groups: nil)(both), both))
        },
        Case("BatchNorm2D with running statistics", 2) {
            try Conv2D(1, kernelSize: 3)(BatchNorm2D(activation: .relu)(Conv2D(5, kernelSize: 3, usesBias: false)($0)))
        },
        Case("MaxPool2D, odd size", 2, 7, 9) {
            try Conv2D(1, kernelSize: 1)(MaxPool2D()(Conv2D(3, kernelSize: 3, activation: .relu)($0)))
        },
        Case("MaxPool2D of a linear layer", 2) { try Conv2D(1, kernelSize: 1)(MaxPool2D()(Conv2D(3, kernelSize: 3)($0))) },
        Case("Concatenate", 2) {
            let a = try Conv2D(3, kernelSize: 3, activation: .relu)($0), b = try Conv2D(17, kernelSize: 1, activation: .relu)($0)
            return try Conv2D(1, kernelSize: 3)(Concatenate()(a, b))
        },
        Case("Concatenate with a linear part", 2) {
            let a = try Conv2D(3, kernelSize: 3, activation: .relu)($0), b = try Conv2D(2, kernelSize: 1)($0)
            return try Conv2D(1, kernelSize: 3)(Concatenate()(a, b))
        },
        Case("a part used again after its concatenation", 2) {
            let a = try Conv2D(3, kernelSize: 3, activation: .relu)($0), b = try Conv2D(2, kernelSize: 1, activation: .relu)(a)
            let c = try Conv2D(3, kernelSize: 3, activation: .relu)(Concatenate()(a, b))
            return try Conv2D(1, kernelSize: 3)(Concatenate()(c, a))
        },
        Case("concatenation of a concatenation, and of the image", 2) {
            let a = try Conv2D(3, kernelSize: 3, activation: .relu)($0), b = try Conv2D(2, kernelSize: 3, activation: .relu)(a)
            return try Conv2D(1, kernelSize: 3)(Concatenate()(Concatenate()(a, b), $0, a))
        },
        Case("Dropout off", 2) {
            try Conv2D(1, kernelSize: 3)(Dropout2D(rate: 0.5)(Conv2D(3, kernelSize: 3, activation: .relu)($0)))
        },
        Case("two-level U-Net", 1, 6, 10) { try unet($0, .init(baseChannels: 3, depth: 1)) },
        Case("Add in place of a linear layer", 2) {
            let a = try Conv2D(3, kernelSize: 3)($0), b = try Conv2D(3, kernelSize: 1, activation: .relu)($0)
            return try Conv2D(1, kernelSize: 3)(Add(activation: .relu)(a, b))
        },
        Case("Add to what is used again, of a ReLU, of a maximum", 2) {
            let a = try Conv2D(3, kernelSize: 3, activation: .relu)($0), b = try Conv2D(3, kernelSize: 1)(a)
            let c = try Add()(Add()(a, b), Add(activation: .relu)(b, a))
            let pooled = try Add()(MaxPool2D()(Conv2D(3, kernelSize: 3)(c)), MaxPool2D()(c))
            return try Conv2D(1, kernelSize: 1)(pooled)
        },
        Case("Add to itself, and in place within a concatenation", 2, tolerance: 1e-4) {
            let a = try Conv2D(3, kernelSize: 3)($0), b = try Conv2D(3, kernelSize: 1)($0)
            let sum = try Add()(Conv2D(3, kernelSize: 1)(b), Add()(a, a))
            return try Conv2D(1, kernelSize: 3)(Concatenate()(sum, b))
        },
        Case("Gate", 2) {
            let x = try Conv2D(17, kernelSize: 3, activation: .relu)($0), q = try Conv2D(1, kernelSize: 1)(x)
            return try Conv2D(1, kernelSize: 3)(Gate()(x, by: q))
        },
        Case("Gate of a linear layer by a rectified one, into a concatenation", 2) {
            let x = try Conv2D(3, kernelSize: 3)($0), q = try Conv2D(1, kernelSize: 3, activation: .relu)($0)
            return try Conv2D(1, kernelSize: 3)(Concatenate()(Gate()(x, by: q), q, x))
        },
        Case("Crop2D", 2, 9, 8) {
            let a = try Conv2D(3, kernelSize: 3, activation: .relu)($0), b = try Conv2D(4, kernelSize: 3, padding: .valid)(a)
            return try Conv2D(1, kernelSize: 3)(Concatenate()(Crop2D(height: 7, width: 6)(a), b, Crop2D(height: 7, width: 6)(a)))
        },
        Case("residual U-Net", 1, 6, 10) { try residualUNet($0, .init(baseChannels: 3, depth: 1)) },
        Case("attention U-Net", 1, 6, 10) { try attentionUNet($0, .init(baseChannels: 3, depth: 1, decoder: .transpose)) },
        Case("UNet++", 1, 8, 4) { try unetPlusPlus($0, .init(baseChannels: 2, depth: 2)) },
        Case("unpadded U-Net", 1, 18, 20, tolerance: 1e-4) { try unetValid($0, .init(baseChannels: 2, depth: 1)) },
        Case("U-Net, transposed, normalised by groups", 1, 6, 10) {
            try unet($0, .init(baseChannels: 3, depth: 1, decoder: .transpose, normalization: .group))
        },
        Case("two-level Keras U-Net", 1, 8, 6) { try unetKeras($0, .init(baseChannels: 2, depth: 1)) },
        Case("U-Net of three classes", 1, 6, 10) { try unet($0, .init(baseChannels: 3, depth: 1, outputChannels: 3)) },
        Case("residual U-Net of three classes", 1, 6, 10) { try residualUNet($0, .init(baseChannels: 3, depth: 1, outputChannels: 3)) },
        Case("attention U-Net of four classes", 1, 6, 10, tolerance: 1e-4) {
            try attentionUNet($0, .init(baseChannels: 3, depth: 1, outputChannels: 4))
        },
        Case("UNet++ of two classes", 1, 8, 4) { try unetPlusPlus($0, .init(baseChannels: 2, depth: 2, outputChannels: 2)) },
        Case("unpadded U-Net of 17 classes", 1, 18, 20, tolerance: 1e-4) {
            try unetValid($0, .init(baseChannels: 2, depth: 1, outputChannels: 17))
        },
    ]

    /// A layer between two convolutions, of a size, with as many channels and on as many threads as are drawn. The weights of the first
    /// convolution get their gradient through it.
    static func drawn(seed: UInt64) -> Case {
        var numbers = DrawnNumbers(seed: seed)
        let channels = numbers.draw(1...3), height = numbers.draw(4...11), width = numbers.draw(4...11), threads = numbers.draw(1...8)
        let groups = numbers.draw(1...4), inner = groups * numbers.draw(1...6), others = numbers.draw(1...20)
        let smallHeight = numbers.draw(2...height), smallWidth = numbers.draw(2...width), isRectified = numbers.draw(0...1) == 1
        let activation: Activation = isRectified ? .relu : .linear
        let layers: [(String, @Sendable (Node, Node) throws -> Node)] = [
            ("GroupNorm of \(groups) groups", { x, _ in try GroupNorm(groups: groups, activation: activation)(x) }),
            ("InstanceNorm", { x, _ in try GroupNorm(groups: nil, activation: activation)(x) }),
            ("BatchNorm2D", { x, _ in try BatchNorm2D(activation: activation)(x) }),
            ("MaxPool2D", { x, _ in try MaxPool2D()(x) }),
            ("Crop2D to \(smallHeight)×\(smallWidth)", { x, _ in try Crop2D(height: smallHeight, width: smallWidth)(x) }),
            ("Gate", { x, image in try Gate()(x, by: Conv2D(1, kernelSize: 3)(image)) }),
            ("Add", { x, image in try Add(activation: activation)(x, Conv2D(inner, kernelSize: 1)(image)) }),
            ("Concatenate \(others)", { x, image in try Concatenate()(x, Conv2D(others, kernelSize: 1)(image)) }),
            ("TransposedConv2D of \(others)", { x, _ in try TransposedConv2D(others, activation: activation)(x) }),
            ("UpsamplingConv2D of \(others)", { x, _ in try UpsamplingConv2D(others, activation: activation)(x) }),
        ]
        let (name, layer) = layers[Int(seed % UInt64(layers.count))]
        return Case(
            "\(name)\(isRectified ? " + ReLU" : ""), \(inner) channels at \(height)×\(width), \(threads) threads, drawn from \(seed)",
            channels, height, width, threads: threads, tolerance: 1e-4
        ) {
            // A bias would have no gradient where a mean is subtracted.
            let x = try Conv2D(inner, kernelSize: 3, usesBias: false)($0)
            return try Conv2D(1, kernelSize: 1)(layer(x, $0))
        }
    }

    @Test(arguments: cases + (1...40).map(drawn)) func gradients(_ test: Case) throws {
        for isa in availableInstructionSets {
            let output = try test.build(Node(input: NodeShape(channels: test.channels, height: test.height, width: test.width)))
            let classes = output.shape.channels, pixels = output.shape.height * output.shape.width
            // A balanced softmax with ignored pixels, so that everything that several classes have goes through the network.
            let criterion = classes == 1 ? Loss.crossEntropy : Loss(classWeights: .balanced)
            let network = Network(
                output, purpose: .training(blocks: [0..<1], split: treeSplit), device: Device(threads: test.threads, instructionSet: isa),
                loss: criterion)
            network.randomizeParameters(seed: 5)
            let image = testNumbers(test.channels * test.height * test.width, seed: 11)
            let labels =
                classes == 1
                ? testLabels(pixels, seed: 12) : testNumbers(pixels, seed: 12).enumerated().map { $1 > 0.8 ? -1 : Float($0 % classes) }
            network.fill(images: image, targets: labels)
            network.forward()

            let reference = ReferenceImage<Double>(
                channels: test.channels, height: test.height, width: test.width, values: image.map { Double($0) })
            var values = network.parameters.map { $0.values(in: network.parameterValues.baseAddress!).map { Double($0) } }
            #expect(relativeError(network.allLogits(), network.reference(reference, parameters: values).values) < 1e-5)

            network.evaluateLoss(scale: 1)
            network.backward(training: false)
            func loss() -> Double {
                if classes > 1 {
                    let logits = network.reference(reference, parameters: values).values
                    return Double(pixels) * labels.withUnsafeBufferPointer { criterion.reference(logits: logits, target: $0) }
                }
                var sum = 0.0
                for (z, t) in zip(network.reference(reference, parameters: values).values, labels) {
                    sum += max(z, 0) - Double(t) * z + log1p(exp(-abs(z)))
                }
                return sum
            }
            let h = 1e-6
            for (p, parameter) in network.parameters.enumerated() {
                if !parameter.isTrainable {
                    #expect(network.gradient(of: parameter).allSatisfy { $0 == 0 }, "\(parameter.name)")
                    continue
                }
                let numeric = values[p].indices.map { i in
                    let value = values[p][i]
                    values[p][i] = value + h
                    let above = loss()
                    values[p][i] = value - h
                    let below = loss()
                    values[p][i] = value
                    return (above - below) / (2 * h)
                }
                // A dead unit would make this a comparison of zero with rounding noise.
                #expect(numeric.contains { abs($0) > 1e-3 }, "\(parameter.name) has no gradient")
                let error = relativeError(network.gradient(of: parameter), numeric)
                #expect(error < test.tolerance, "\(isa), \(parameter.name): \(error)")
            }
        }
    }

    /// With dropout on the naive network is no oracle (its dropout is off); the network itself is, along random directions.
    @Test func directionalDerivativeWithDropout() throws {
        let output = try unet(Node(input: NodeShape(channels: 1, height: 16, width: 16)), .init(baseChannels: 8, depth: 2, dropout: 0.4))
        let network = Network(training: output, batch: 3)
        network.randomizeParameters(seed: 3)
        network.fill(images: testNumbers(3 * 256, seed: 1), targets: testLabels(3 * 256, seed: 2))
        func loss() -> Double {
            network.forward(training: true, seed: 7, firstPosition: 40)
            network.evaluateLoss(scale: 1)
            return network.losses.map(\.loss).reduce(0, +)
        }
        _ = loss()
        network.backward(training: true, seed: 7, firstPosition: 40)
        let start = network.parameters.map { $0.values(in: network.parameterValues.baseAddress!) }
        let gradients = network.parameters.map { network.gradient(of: $0) }
        var norm = 0.0
        for gradient in gradients {
            for g in gradient { norm += Double(g) * Double(g) }
        }
        norm = norm.squareRoot()
        // Along the gradient the derivative is its norm. Loss is exact to about 1e-4 in all, against a change of 2 h |g|.
        func lossAlong(_ t: Double) -> Double {
            for (p, parameter) in network.parameters.enumerated() {
                parameter.setValues(zip(start[p], gradients[p]).map { $0 + Float(t / norm) * $1 }, in: network.parameterValues.baseAddress!)
            }
            return loss()
        }
        let h = 1e-3
        let numeric = (lossAlong(h) - lossAlong(-h)) / (2 * h)
        #expect(norm > 10)
        #expect(abs(numeric - norm) < 0.02 * norm, "\(numeric) against \(norm)")
    }
}
