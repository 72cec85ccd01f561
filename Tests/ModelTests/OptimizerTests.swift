import Foundation
import Kernels
import Model
import TestSupport
import Testing

/// Optimizers against PyTorch's, in double precision, step by step.
@Suite struct OptimizerTests {
    struct Case: CustomTestStringConvertible, Sendable {
        let testDescription: String
        var clip: Double?
        let make: @Sendable (Int) -> any Optimizer
    }

    static let cases = [
        Case(testDescription: "adam") { Adam(count: $0, learningRate: 1e-2, beta1: 0.8, beta2: 0.99, epsilon: 1e-4) },
        Case(testDescription: "adam-decay") { Adam(count: $0, learningRate: 1e-2, weightDecay: .coupled(0.1)) },
        Case(testDescription: "adam-keras") { Adam(count: $0, learningRate: 1e-2, epsilon: 1e-4, epsilonConvention: .keras) },
        Case(testDescription: "adam-clipped", clip: 1.5) { Adam(count: $0, learningRate: 1e-2, epsilon: 1e-4) },
        Case(testDescription: "adamw") { Adam(count: $0, learningRate: 1e-2, weightDecay: .decoupled(0.1)) },
        Case(testDescription: "sgd") { StochasticGradientDescent(count: $0, learningRate: 1e-2) },
        Case(testDescription: "sgd-decay") { StochasticGradientDescent(count: $0, learningRate: 1e-2, momentum: 0.9, weightDecay: 0.1) },
        Case(testDescription: "sgd-nesterov") {
            StochasticGradientDescent(count: $0, learningRate: 1e-2, momentum: 0.9, isNesterov: true)
        },
        Case(testDescription: "sgd-clipped", clip: 1.5) { StochasticGradientDescent(count: $0, learningRate: 1e-2, momentum: 0.9) },
    ]

    /// A step in single precision errs by a few roundings of the step, and by one of the parameter.
    @Test(arguments: cases, availableInstructionSets) func updates(_ test: Case, _ isa: InstructionSet) throws {
        let fixture = try Fixture("training")
        let start = try fixture("optimizers/start"), gradients = try fixture("optimizers/gradients")
        let expected = try fixture("optimizers/\(test.testDescription)")
        let length = start.count, count = (length + 15) / 16 * 16, device = Device(threads: 2, instructionSet: isa)
        let optimizer = test.make(count), check = BufferCheck(count: count)
        let parameters = Arena(count: count), gradient = Arena(count: count)
        for (i, value) in start.enumerated() { parameters.pointer[i] = value }
        for step in 0..<(gradients.count / length) {
            for i in start.indices { gradient.pointer[i] = gradients[step * length + i] }
            let scale = test.clip.map { min(1, $0 / (check.norm(on: device, gradient.pointer) + 1e-6)) } ?? 1
            #expect(test.clip == nil || scale < 0.9)
            let checksum = optimizer.update(
                on: device, parameters: parameters.pointer, gradients: gradient.pointer, gradientScale: Float(scale))
            #expect(checksum == check.checksum(on: device, parameters.pointer))
            for i in start.indices {
                let now = parameters.pointer[i], then = expected[step * length + i]
                #expect(abs(now - then) <= Float(step + 1) * (4e-7 * 1e-1 + 0x1p-24 * abs(then)), "step \(step), parameter \(i)")
            }
        }
        #expect(optimizer.step == gradients.count / length && optimizer.memoryBytes == 4 * count * optimizer.state.count)
        // Padding stays zero.
        for i in length..<count { #expect(parameters.pointer[i] == 0 && optimizer.state.allSatisfy { $0.values[i] == 0 }) }
    }

    /// An optimizer that takes over another one's state and step goes on with the same bits, at any number of threads.
    @Test(arguments: cases) func stateIsAllThereIs(_ test: Case) {
        let count = 3 * 65536 + 32
        func run(_ optimizer: any Optimizer, _ threads: Int, _ parameters: borrowing Arena, from first: Int, to last: Int) {
            let device = Device(threads: threads), gradient = Arena(count: count)
            for step in first..<last {
                for (i, g) in testNumbers(count, seed: UInt64(step)).enumerated() { gradient.pointer[i] = g }
                optimizer.update(on: device, parameters: parameters.pointer, gradients: gradient.pointer)
            }
        }
        let whole = Arena(count: count), halves = Arena(count: count)
        run(test.make(count), 1, whole, from: 0, to: 4)
        let first = test.make(count), second = test.make(count)
        run(first, 2, halves, from: 0, to: 2)
        for (a, b) in zip(first.state, second.state) {
            #expect(a.name == b.name)
            _ = b.values.update(from: a.values)
        }
        second.step = first.step
        run(second, 3, halves, from: 2, to: 4)
        #expect(memcmp(whole.pointer, halves.pointer, 4 * count) == 0)
    }

    @Test func weightAverage() {
        let count = 65536 + 16, device = Device(threads: 2), parameters = Arena(count: count)
        let average = WeightAverage(count: count, decay: 0.5)
        for i in 0..<count { parameters.pointer[i] = Float(i % 7) }
        average.start(at: parameters.pointer)
        #expect(average.memory.pointer[6] == 6)
        var expected = (0..<count).map { Double($0 % 7) }
        for step in 1...20 {
            for i in 0..<count {
                parameters.pointer[i] = Float(i % 7 + step)
                expected[i] += (1 - min(0.5, Double(1 + step) / Double(10 + step))) * (Double(i % 7 + step) - expected[i])
            }
            average.update(on: device, parameters: parameters.pointer, step: step)
        }
        #expect((0..<count).allSatisfy { abs(Double(average.memory.pointer[$0]) - expected[$0]) < 1e-5 })
    }
}
