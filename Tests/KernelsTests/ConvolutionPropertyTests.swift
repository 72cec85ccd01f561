import Foundation
import Kernels
import TestSupport
import Testing

/// Laws that hold for every convolution, on shapes drawn at random. Each shape follows from its seed, which is in the message of a failure;
/// `UNET_TEST_SHAPES` in the environment says how many are drawn (60 unless it does), `UNET_TEST_FIRST_SHAPE` with which seed they begin.
@Suite struct ConvolutionPropertyTests {
    static let seeds: [UInt64] = {
        let environment = ProcessInfo.processInfo.environment
        let first = environment["UNET_TEST_FIRST_SHAPE"].map { UInt64($0)! } ?? 1,
            count = environment["UNET_TEST_SHAPES"].map { UInt64($0)! } ?? 60
        return Array(first..<(first + count))
    }()

    @Test("⟨Ax, y⟩ = ⟨x, Aᵀy⟩, and the same bits on 1 to 8 threads", arguments: seeds, KernelVariant.available)
    func adjoint(_ seed: UInt64, _ variant: KernelVariant) {
        let (c, threads) = ConvolutionCase.random(seed: seed)
        let results = ConvolutionResults(c, on: variant.device(threads: threads))
        c.expectAdjoint(results)
        let alone = ConvolutionResults(c, on: variant.device())
        for sample in 0..<c.batch {
            for ((name, a), (_, b)) in zip(results.bits(sample: sample), alone.bits(sample: sample)) {
                #expect(a == b, "\(name) of sample \(sample) of \(c.testDescription), \(threads) threads")
            }
        }
    }

    /// A sum goes to the sum of the outputs, but for rounding; what is twice as large to what is twice as large, to the last bit.
    @Test(arguments: seeds, KernelVariant.available) func linearity(_ seed: UInt64, _ variant: KernelVariant) {
        let (c, threads) = ConvolutionCase.random(seed: seed), device = variant.device(threads: threads)
        for (what, x, map, tolerance, expectedNorm) in c.maps(on: device) {
            expectLinear(map, on: x, seed: seed, "\(what) of \(c.testDescription)") { whole, a, b in
                tolerance * [whole, a, b].map { max(norm([$0]), expectedNorm) }.reduce(0, +)
            }
        }
    }

    /// What is moved in the image moves in the output by as much, or by twice as much where the output is twice as large.
    @Test(arguments: seeds, KernelVariant.available) func shift(_ seed: UInt64, _ variant: KernelVariant) {
        let (small, threads) = ConvolutionCase.random(seed: seed), device = variant.device(threads: threads)
        let moved = testNumbers(2, seed: seed + 5).map { Int(abs($0) * 7) }, margin = 7
        // The same content in two places of a larger image, far enough from its borders.
        let c = ConvolutionCase(
            small.algorithm, small.inputs.parts, small.outputs.parts, small.height + moved[0] + 2 * margin,
            small.width + moved[1] + 2 * margin,
            batch: 2, kernel: (small.kernelHeight, small.kernelWidth), valid: small.kind == .valid, seed: seed)
        for (what, x, map, tolerance, expectedNorm) in c.maps(on: device) {
            let scaleOfInput = c.kind.enlarges && x[0].height == c.outputHeight ? 2 : 1
            let scaleOfOutput = c.kind.enlarges ? 2 / scaleOfInput : 1
            let by = (moved[0] * scaleOfInput, moved[1] * scaleOfInput), edge = margin * scaleOfInput
            let content = x[0].cropped(
                edge, edge, height: x[0].height - by.0 - 2 * edge, width: x[0].width - by.1 - 2 * edge)
            let images = [(edge, edge), (edge + by.0, edge + by.1)].map {
                content.placed($0.0, $0.1, height: x[0].height, width: x[0].width)
            }
            let y = map(images), move = (moved[0] * scaleOfOutput, moved[1] * scaleOfOutput)
            let height = y[0].height - move.0, width = y[0].width - move.1
            let here = y[0].cropped(0, 0, height: height, width: width), there = y[1].cropped(move.0, move.1, height: height, width: width)
            var difference = here
            for i in difference.values.indices { difference.values[i] -= there.values[i] }
            #expect(
                norm([difference]) <= 2 * tolerance * max(norm([here]), expectedNorm), "\(what) of \(c.testDescription), moved by \(moved)")
            #expect(norm([here]) > 0, "\(what) of \(c.testDescription): nothing came out")
        }
    }

    /// Numbers so small that they have lost digits (below 2⁻¹²⁶) are neither lost nor made into something else, and the largest do not
    /// overflow on the way where the result does not.
    @Test(arguments: [-137, -126, 100], KernelVariant.available) func extremes(_ exponent: Int, _ variant: KernelVariant) {
        let scale = exp2(Double(exponent))
        for algorithm: ConvolutionAlgorithm in [.winograd4, .winograd6, .upsampled, .transposed, .pointwise, .general] {
            let c = ConvolutionCase(algorithm, [17], [20], 9, 13, batch: 1, kernel: (5, 5))
            for (what, x, map, tolerance, expectedNorm) in c.maps(on: variant.device()) {
                let ordinary = map(x), extreme = map(x.map { $0.scaled(by: scale) })
                var difference = extreme[0].scaled(by: 1 / scale)
                for i in difference.values.indices { difference.values[i] -= ordinary[0].values[i] }
                // A result below the normal numbers is a multiple of 2⁻¹⁴⁹, and so is each of what is added up to it.
                let grain = exponent < 0 ? 0x1p-149 / scale * 600 * Double(difference.values.count).squareRoot() : 0
                #expect(
                    norm([difference]) <= 2 * tolerance * max(norm([ordinary[0]]), expectedNorm) + grain,
                    "\(what) of \(c.testDescription), times 2^\(exponent)")
                #expect(extreme[0].values.contains { $0 != 0 }, "\(what) of \(c.testDescription), times 2^\(exponent)")
            }
        }
    }

    /// What is infinite or not a number in the input is seen in the output, wherever it is: the run is to stop and not to go on with zeros.
    @Test(arguments: seeds, KernelVariant.available) func notFinite(_ seed: UInt64, _ variant: KernelVariant) {
        let (c, threads) = ConvolutionCase.random(seed: seed), device = variant.device(threads: threads)
        for (what, x, map, _, _) in c.maps(on: device) {
            for bad in [Double.infinity, -.infinity, .nan] {
                var image = x
                let last = x.count - 1, position = Int(abs(testNumbers(1, seed: seed + 9)[0]) * Float(x[last].values.count))
                image[last].values[min(position, x[last].values.count - 1)] = bad
                let y = map(image)
                // Even kernels without padding and borders of enlarged images do not look at every pixel, but those that are drawn do.
                #expect(y[last].values.contains { !$0.isFinite }, "\(what) of \(c.testDescription): \(bad) was lost")
                for other in 0..<last {
                    #expect(y[other].values.allSatisfy { $0.isFinite }, "\(what) of \(c.testDescription): sample \(other)")
                }
            }
        }
    }
}

/// Requires that `map` takes the sum of two images to the sum of what it takes them to, but for a difference with the norm `bound` (of the sum's
/// image and the two), and what is twice as large to what is twice as large, to the last bit.
func expectLinear(
    _ map: ([ReferenceImage<Double>]) -> [ReferenceImage<Double>], on x: [ReferenceImage<Double>], seed: UInt64, _ what: String,
    bound: (ReferenceImage<Double>, ReferenceImage<Double>, ReferenceImage<Double>) -> Double
) {
    // The pixels of an image dealt to two, so that their sum is exact.
    var parts = [x, x]
    for sample in x.indices {
        for (i, number) in testNumbers(x[sample].values.count, seed: seed + 77).enumerated() {
            parts[number > 0 ? 0 : 1][sample].values[i] = 0
        }
    }
    let whole = map(x), a = map(parts[0]), b = map(parts[1])
    for sample in whole.indices {
        var difference = whole[sample]
        for i in difference.values.indices { difference.values[i] -= a[sample].values[i] + b[sample].values[i] }
        #expect(norm([difference]) <= bound(whole[sample], a[sample], b[sample]), "\(what)")
    }
    #expect(map(x.map { $0.scaled(by: 2) }) == whole.map { $0.scaled(by: 2) }, "\(what), twice the input")
}

extension ConvolutionCase {
    /// A shape drawn from a seed, and a number of threads from 1 to 8.
    static func random(seed: UInt64) -> (ConvolutionCase, threads: Int) {
        var numbers = DrawnNumbers(seed: seed)
        let algorithms: [ConvolutionAlgorithm] = [.winograd4, .winograd6, .upsampled, .transposed, .pointwise, .gathered, .general]
        let algorithm = algorithms[numbers.draw(0...6)]
        var kernel = (numbers.draw(1...7), numbers.draw(1...7))
        var inputs = (0..<numbers.draw(1...3)).map { _ in numbers.draw(1...40) }
        let outputs = (0..<numbers.draw(1...2)).map { _ in numbers.draw(1...50) }
        if algorithm == .gathered {
            // As many channels as are gathered: at most three, and 64 taps of all.
            inputs = [min(numbers.draw(1...3), max(1, 64 / (kernel.0 * kernel.1)))]
        } else if [.winograd4, .winograd6].contains(algorithm) {
            kernel = (3, 3)
        }
        let height = numbers.draw(1...30), width = numbers.draw(1...30), batch = numbers.draw(1...3)
        let isValid = ![.upsampled, .transposed, .pointwise].contains(algorithm) && numbers.draw(0...2) == 0
        return (
            ConvolutionCase(
                algorithm, inputs, outputs, isValid ? height + kernel.0 - 1 : height, isValid ? width + kernel.1 - 1 : width, batch: batch,
                kernel: kernel, valid: isValid, seed: seed), numbers.draw(1...8)
        )
    }

    typealias Map = (what: String, x: [Image], map: ([Image]) -> [Image], tolerance: Double, expectedNorm: Double)

    /// The linear maps of images to images that this convolution has, with an image for each; none has a bias.
    func maps(on device: Device) -> [Map] {
        let plan = plan(), weights = storedWeights, scratch = TestMemory(plan.scratchCount(on: device))
        let noBias = TestMemory([Float](repeating: 0, count: outputs.blocks * 16))
        func forward(_ x: [Image]) -> [Image] {
            let input = TestTensor(inputs, x), output = TestTensor(outputs, batch: batch, height: outputHeight, width: outputWidth)
            plan.forward(
                on: device, input: input.tensor, weights: weights.pointer, bias: noBias.pointer, output: output.tensor, relu: false,
                scratch: scratch.pointer)
            return output.images
        }
        func inputGradient(_ y: [Image]) -> [Image] {
            let gradient = TestTensor(outputs, y), result = TestTensor(inputs, batch: batch, height: height, width: width)
            plan.inputGradient(
                on: device, outputGradient: gradient.tensor, weights: weights.pointer, inputGradient: result.tensor, accumulate: false,
                mask: nil, scratch: scratch.pointer)
            return result.images
        }
        return [
            ("output", x, forward, forwardTolerance, expectedForwardNorm),
            ("input gradient", gradient, inputGradient, inputGradientTolerance, expectedInputGradientNorm),
        ]
    }
}

extension ReferenceImage<Double> {
    func scaled(by scale: Double) -> Self {
        Self(channels: channels, height: height, width: width, values: values.map { $0 * scale })
    }
    fileprivate func cropped(_ top: Int, _ left: Int, height: Int, width: Int) -> Self {
        Reference.crop(self, top: top, left: left, height: height, width: width)
    }
    /// Among zeros, in an image of this size.
    fileprivate func placed(_ top: Int, _ left: Int, height: Int, width: Int) -> Self {
        Reference.cropGradient(self, top: top, left: left, height: height, width: width)
    }
}
