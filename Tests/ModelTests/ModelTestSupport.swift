import CounterRandom
import Foundation
import Imaging
import Kernels
import Model
import TestSupport

/// Every instruction set this CPU has.
let availableInstructionSets = InstructionSet.allCases.filter { $0 <= .best }

/// The canonical tree's rule: a range is split at the largest power of two smaller than its length.
let treeSplit: @Sendable (Range<Int>) -> Int = { range in
    var power = 1
    while 2 * power < range.count { power *= 2 }
    return range.lowerBound + power
}

/// A file that PyTorch wrote; see `Fixtures/write_pytorch_fixture.py`.
struct Fixture {
    let file: HDF5File
    init(_ name: String) throws {
        let url = Bundle.module.url(forResource: name, withExtension: "h5", subdirectory: "Fixtures")!
        file = try HDF5File(path: url.path)
    }
    func callAsFunction(_ path: String) throws -> [Float] { try file.read(path) }
}

extension Network {
    /// A training network for one batch whose samples form one block.
    convenience init(training output: Node, batch: Int, device: Device = Device()) {
        self.init(output, purpose: .training(blocks: [0..<batch], split: treeSplit), device: device)
    }

    func gradient(of parameter: Parameter, block: Int = 0) -> [Float] {
        parameter.values(in: UnsafePointer(gradientValues.baseAddress! + block * arenaCount))
    }

    func fill(images: [Float], targets: [Float]) {
        let pixels = inputShape.channels * inputShape.height * inputShape.width, targetPixels = outputShape.height * outputShape.width
        precondition(images.count == batch * pixels && targets.count == batch * targetPixels)
        for sample in 0..<batch {
            images.withUnsafeBufferPointer { setInput(sample: sample, $0.baseAddress! + sample * pixels) }
            for i in 0..<targetPixels { target(sample: sample)[i] = targets[sample * targetPixels + i] }
        }
    }

    /// Parameters that are not tiny and positive biases, so that every path carries a signal.
    func randomizeParameters(seed: UInt64) {
        initializeParameters(seed: seed)
        for (i, parameter) in parameters.enumerated() where parameter.shape.count == 1 {
            parameter.setValues(
                testNumbers(parameter.count, seed: seed &+ UInt64(i)).map { (parameter.initializer == .ones ? 1 : 0.1) + $0 * 0.1 },
                in: parameterValues.baseAddress!)
        }
    }

    func allLogits() -> [Float] {
        let pixels = outputShape.channels * outputShape.height * outputShape.width
        var result = [Float](repeating: 0, count: batch * pixels)
        result.withUnsafeMutableBufferPointer { for s in 0..<batch { logits(sample: s, into: $0.baseAddress! + s * pixels) } }
        return result
    }
}

/// Labels for tests: about half ones.
func testLabels(_ count: Int, seed: UInt64) -> [Float] { testNumbers(count, seed: seed).map { $0 > 0 ? 1 : 0 } }
