import CounterRandom
import Kernels
import Model
import TestSupport
import Testing

@Suite struct NetworkTests {
    static func unetNode(_ size: Int = 32, base: Int = 8, depth: Int = 2, dropout: Float = 0.5) throws -> Node {
        try Architecture.named("unet").graph(
            channels: 1, height: size, width: size, options: .init(baseChannels: base, depth: depth, dropout: dropout))
    }

    @Test func kerasNetworkHasItsParameters() throws {
        let node = try Architecture.named("unet-keras").graph(channels: 1, height: 16, width: 16, options: .init())
        let network = Network(node, purpose: .inference(batch: 1), device: Device())
        #expect(network.parameterCount == 31_031_685)
        let convolutions = network.parameters.filter { $0.name.hasSuffix(".weight") }
        #expect(convolutions.count == 24)
        #expect(convolutions.first?.shape == [64, 1, 3, 3])
        #expect(convolutions.last?.shape == [1, 2, 1, 1])
        #expect(network.table.contains("31,031,685 parameters"))
    }

    @Test func sizesThatDoNotFitAreRefused() throws {
        #expect(throws: NetworkError.self) { try Self.unetNode(30) }
        #expect(throws: NetworkError.self) { try Self.unetNode(4, depth: 4) }
        #expect(throws: NetworkError.self) { try Architecture.named("resnet") }
        do {
            _ = try Self.unetNode(30)
        } catch {
            #expect("\(error)".contains("multiples of 2^depth"))
        }
    }

    @Test func initialValuesFollowTheirLaws() throws {
        let network = Network(training: try Self.unetNode(16, base: 32), batch: 1)
        network.initializeParameters(seed: 1)
        let first = network.parameters.map { $0.values(in: network.parameterValues.baseAddress!) }
        for (parameter, values) in zip(network.parameters, first) {
            if parameter.shape.count == 1 {
                #expect(values.allSatisfy { $0 == 0 })
            } else if parameter.count > 5000 {
                let fanIn = Double(parameter.shape[1] * parameter.shape[2] * parameter.shape[3])
                let deviation = (values.map { Double($0) * Double($0) }.reduce(0, +) / Double(values.count)).squareRoot()
                // The deviation of n values is known to 1/√(2n); five of these.
                #expect(abs(deviation / (2 / fanIn).squareRoot() - 1) < 5 / (2 * Double(values.count)).squareRoot(), "\(parameter.name)")
                let limit = Float((2 / fanIn).squareRoot()) * 2 / 0.8796
                #expect(values.allSatisfy { abs($0) <= limit })
            }
        }
        network.initializeParameters(seed: 1)
        #expect(first == network.parameters.map { $0.values(in: network.parameterValues.baseAddress!) })
        network.initializeParameters(seed: 2)
        #expect(first != network.parameters.map { $0.values(in: network.parameterValues.baseAddress!) })
        // The network's values are the initializers' functions of filter and element.
        for (ordinal, (parameter, values)) in zip(network.parameters, first).enumerated() {
            let each = parameter.count / parameter.shape[0]
            for i in Swift.stride(from: 0, to: parameter.count, by: 37) {
                let expected = parameter.initializer.value(
                    shape: parameter.shape, filter: i / each, element: i % each, seed: 1, ordinal: ordinal)
                #expect(values[i] == expected, "\(parameter.name) \(i)")
            }
        }
        // Padding is zero and stays zero.
        let stored = network.parameterValues.filter { $0 != 0 }.count
        #expect(stored <= network.parameterCount)
    }

    /// Gradient bits of a global batch, computed as `parts` with their blocks and summed along the tree here.
    static func gradientBits(
        parts: [[Range<Int>]], threads: Int, batch: Int, memory: MemoryMode = .fast, accumulation: Int = 1
    ) throws -> [UInt32] {
        var nodes: [Range<Int>: [Float]] = [:]
        let images = testNumbers(batch * 32 * 32, seed: 4), labels = testLabels(batch * 32 * 32, seed: 5)
        for blocks in parts {
            let network = Network(
                try unetNode(), purpose: .training(blocks: blocks, split: treeSplit), device: Device(threads: threads), memory: memory,
                accumulation: accumulation)
            network.randomizeParameters(seed: 9)
            let range = blocks.first!.lowerBound..<blocks.last!.upperBound
            network.fill(
                images: Array(images[(range.lowerBound * 1024)..<(range.upperBound * 1024)]),
                targets: Array(labels[(range.lowerBound * 1024)..<(range.upperBound * 1024)]))
            network.forward(training: true, seed: 3, firstPosition: 100 + range.lowerBound)
            network.evaluateLoss(scale: 1 / Float(batch * 1024))
            var suffix = network.arenaCount
            network.backward(training: true, seed: 3, firstPosition: 100 + range.lowerBound) { finished in
                #expect(finished.upperBound == suffix)
                suffix = finished.lowerBound
            }
            #expect(suffix == 0)
            for (b, block) in blocks.enumerated() {
                nodes[block] = Array(network.gradientValues[(b * network.arenaCount)..<((b + 1) * network.arenaCount)])
            }
        }
        func sum(_ range: Range<Int>) -> [Float] {
            if let node = nodes[range] { return node }
            let middle = treeSplit(range)
            return zip(sum(range.lowerBound..<middle), sum(middle..<range.upperBound)).map { $0 + $1 }
        }
        return sum(0..<batch).map(\.bitPattern)
    }

    @Test func gradientBitsDependOnNeitherThreadsNorShards() throws {
        let specification = try Self.gradientBits(parts: [[0..<4]], threads: 1, batch: 4)
        #expect(specification.contains { $0 != 0 })
        for threads in [2, 3] { #expect(try Self.gradientBits(parts: [[0..<4]], threads: threads, batch: 4) == specification) }
        #expect(try Self.gradientBits(parts: [[0..<2], [2..<4]], threads: 1, batch: 4) == specification)
        #expect(try Self.gradientBits(parts: [[0..<2], [2..<3], [3..<4]], threads: 2, batch: 4) == specification)
        #expect(try Self.gradientBits(parts: [[0..<1], [1..<2], [2..<4]], threads: 1, batch: 4) == specification)
        let six = try Self.gradientBits(parts: [[0..<4, 4..<6]], threads: 1, batch: 6)
        #expect(try Self.gradientBits(parts: [[0..<2, 2..<3], [3..<4, 4..<6]], threads: 2, batch: 6) == six)
        #expect(try Self.gradientBits(parts: [[0..<2], [2..<4], [4..<5], [5..<6]], threads: 1, batch: 6) == six)
    }

    /// Into however many parts the local batch is divided, along the blocks of the tree or across them: the same bits.
    @Test func accumulationGivesTheSameBits() throws {
        for (parts, batch) in [([[0..<4]], 4), ([[0..<4, 4..<6]], 6), ([[0..<2, 2..<3], [3..<4, 4..<6]], 6), ([[0..<8, 8..<11]], 11)] {
            let expected = try Self.gradientBits(parts: parts, threads: 1, batch: batch)
            for accumulation in [2, 3, 5, 100] {
                let bits = try Self.gradientBits(parts: parts, threads: accumulation % 2 + 1, batch: batch, accumulation: accumulation)
                #expect(bits == expected, "\(parts) in \(accumulation)")
            }
        }
    }

    @Test func accumulationTakesLessMemory() throws {
        let bytes = try [1, 2, 4, 8].map {
            Network(
                try Self.unetNode(64), purpose: .training(blocks: [0..<8], split: treeSplit), device: Device(), accumulation: $0
            ).memoryBytes
        }
        #expect(zip(bytes, bytes.dropFirst()).allSatisfy { $0 > $1 }, "\(bytes)")
    }

    /// Holding one sample at a time changes no bit, of the gradients or of the losses, and takes less memory.
    @Test func lowMemoryGivesTheSameBits() throws {
        for (parts, batch) in [
            ([[0..<1]], 1), ([[0..<4]], 4), ([[0..<4, 4..<6]], 6), ([[0..<2, 2..<3], [3..<4, 4..<6]], 6), ([[0..<8]], 8),
        ] {
            let expected = try Self.gradientBits(parts: parts, threads: 1, batch: batch)
            for threads in [1, 2] {
                #expect(try Self.gradientBits(parts: parts, threads: threads, batch: batch, memory: .low) == expected, "\(parts)")
            }
        }
        var losses: [[Loss.Sums]] = [], bytes: [Int] = []
        for memory in [MemoryMode.fast, .low] {
            let network = Network(
                try Self.unetNode(), purpose: .training(blocks: [0..<3], split: treeSplit), device: Device(), memory: memory)
            network.randomizeParameters(seed: 9)
            network.fill(images: testNumbers(3 * 1024, seed: 4), targets: testLabels(3 * 1024, seed: 5))
            for step in 0..<2 {
                // Twice, so that nothing that a step leaves behind is taken for the next one's.
                network.forward(training: true, seed: 3, firstPosition: 3 * step)
                network.evaluateLoss(scale: 1)
                losses.append(network.losses)
                network.backward(training: true, seed: 3, firstPosition: 3 * step)
            }
            bytes.append(network.memoryBytes)
        }
        #expect(losses[0] == losses[2] && losses[1] == losses[3] && losses[0] != losses[1])
        #expect(bytes[1] < bytes[0])
    }

    /// The direct method computes the same function: gradients of a whole network, up to the roundings of both methods.
    @Test func directAgreesWithTheFastAlgorithms() throws {
        var gradients: [[Float]] = [], logits: [[Float]] = []
        for method in ConvolutionMethod.allCases {
            let network = Network(
                try Self.unetNode(), purpose: .training(blocks: [0..<2], split: treeSplit), device: Device(threads: 2), convolution: method)
            network.randomizeParameters(seed: 9)
            network.fill(images: testNumbers(2 * 1024, seed: 4), targets: testLabels(2 * 1024, seed: 5))
            network.forward(training: true, seed: 3, firstPosition: 0)
            logits.append(network.allLogits())
            network.evaluateLoss(scale: 1.0 / 2048)
            network.backward(training: true, seed: 3, firstPosition: 0)
            gradients.append(Array(network.gradientValues))
        }
        for (fast, direct) in [(logits[0], logits[1]), (gradients[0], gradients[1])] {
            let difference = zip(fast, direct).map { Double($0 - $1) * Double($0 - $1) }.reduce(0, +).squareRoot()
            let size = direct.map { Double($0) * Double($0) }.reduce(0, +).squareRoot()
            // Roundings of both methods, and of the ReLUs and maxima that they tip over, against a wrong tap or border, which would be an
            // error of the order of the whole. Equal bits would mean that the other method was not used.
            #expect(difference < 1e-4 * size && fast != direct, "\(difference / size)")
        }
    }

    @Test func inferenceNetworkSharesParametersAndAgrees() throws {
        let training = Network(training: try Self.unetNode(), batch: 2)
        training.randomizeParameters(seed: 2)
        let images = testNumbers(2 * 1024, seed: 8)
        training.fill(images: images, targets: testLabels(2 * 1024, seed: 1))
        training.forward(training: false)
        for batch in [1, 2] {
            let inference = Network(try Self.unetNode(), purpose: .inference(batch: batch), device: Device(threads: 2), sharing: training)
            let alike = Network(try Self.unetNode(), purpose: .inference(batch: batch), device: training.device, sharing: training)
            #expect(alike.memoryBytes < training.memoryBytes)
            for first in stride(from: 0, to: 2, by: batch) {
                for s in 0..<batch {
                    images.withUnsafeBufferPointer { inference.setInput(sample: s, $0.baseAddress! + (first + s) * 1024) }
                }
                inference.forward()
                #expect(inference.allLogits() == Array(training.allLogits()[(first * 1024)..<((first + batch) * 1024)]))
            }
        }
        // Dropout changes training passes, and differently at another position.
        let calm = training.allLogits()
        training.forward(training: true, seed: 1, firstPosition: 0)
        let dropped = training.allLogits()
        training.forward(training: true, seed: 1, firstPosition: 1)
        #expect(dropped != calm && training.allLogits() != dropped)
        #expect(Array(training.allLogits()[0..<1024]) != Array(dropped[0..<1024]))
        #expect(Array(dropped[1024...]).count == 1024)
    }

    @Test func lossFallsOnOneBatch() throws {
        let network = Network(training: try Self.unetNode(16, base: 8, depth: 1, dropout: 0), batch: 2)
        network.initializeParameters(seed: 0)
        let images = testNumbers(2 * 256, seed: 3)
        network.fill(images: images, targets: images.map { $0 > 0.2 ? 1 : 0 })
        let adam = Adam(count: network.arenaCount, learningRate: 3e-3)
        var losses: [Double] = []
        for _ in 0..<150 {
            network.forward(training: true)
            network.evaluateLoss(scale: 1 / 512)
            losses.append(network.losses.map(\.loss).reduce(0, +) / 512)
            network.backward()
            adam.update(
                on: network.device, parameters: network.parameterValues.baseAddress!, gradients: network.gradientValues.baseAddress!)
        }
        #expect(losses.last! < 0.05 && losses[0] > 0.3, "\(losses[0]) to \(losses.last!)")
        #expect(network.losses.allSatisfy { $0.correct > 250 })
    }
}
