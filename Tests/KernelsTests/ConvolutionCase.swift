import Kernels
import Synchronization
import TestSupport
import Testing

/// One planned convolution with data and its results in double precision, shared by all tests.
final class ConvolutionCase: Sendable, CustomTestStringConvertible {
    let algorithm: ConvolutionAlgorithm
    let kind: Convolution.Kind
    let inputs, outputs: ChannelLayout
    let batch, height, width, kernelHeight, kernelWidth: Int
    /// Other seeds give other data.
    let seed: UInt64

    init(
        _ algorithm: ConvolutionAlgorithm, _ inputs: [Int], _ outputs: [Int], _ height: Int, _ width: Int, batch: Int = 1,
        kernel: (Int, Int)? = nil, valid: Bool = false, seed: UInt64 = 0
    ) {
        self.algorithm = algorithm
        self.seed = seed
        kind = algorithm == .upsampled ? .upsampling : (algorithm == .transposed ? .transposed : (valid ? .valid : .same))
        self.inputs = ChannelLayout(parts: inputs)
        self.outputs = ChannelLayout(parts: outputs)
        self.batch = batch
        self.height = height
        self.width = width
        switch algorithm {
        case .winograd4, .winograd6: (kernelHeight, kernelWidth) = (3, 3)
        case .upsampled, .transposed: (kernelHeight, kernelWidth) = (2, 2)
        case .pointwise: (kernelHeight, kernelWidth) = (1, 1)
        case .gathered, .general: (kernelHeight, kernelWidth) = kernel ?? (3, 3)
        }
    }

    var testDescription: String {
        "\(algorithm)\(kind == .valid ? " unpadded" : "") \(kernelHeight)×\(kernelWidth) \(inputs.parts)→\(outputs.parts) at \(height)×\(width), batch \(batch)"
    }

    /// Ways in which the input gradient is stored: of the largest shapes only the plainest and the one that takes every step.
    var storages: [GradientStorage] {
        inputs.blocks * outputs.blocks > 200 ? [false, true].map { GradientStorage(accumulate: $0, mask: $0) } : GradientStorage.allCases
    }

    var outputHeight: Int { outputLength(height, kernelHeight) }
    var outputWidth: Int { outputLength(width, kernelWidth) }
    private func outputLength(_ length: Int, _ kernel: Int) -> Int {
        kind.enlarges ? 2 * length : (kind == .valid ? length - kernel + 1 : length)
    }
    /// Zeros above and to the left of the input.
    var top: Int { kind == .valid ? 0 : (kernelHeight - 1) / 2 }
    var left: Int { kind == .valid ? 0 : (kernelWidth - 1) / 2 }
    var taps: Int { kernelHeight * kernelWidth }

    /// The plan for some number of samples.
    func plan(batch: Int? = nil) -> Convolution {
        Convolution(
            input: Shape(batch: batch ?? self.batch, blocks: inputs.blocks, height: height, width: width), inputChannels: inputs.channels,
            outputBlocks: outputs.blocks, kernelHeight: kernelHeight, kernelWidth: kernelWidth, kind: kind, algorithm: algorithm
        )
    }

    // MARK: Data

    typealias Image = ReferenceImage<Double>

    private func images(channels: Int, height: Int, width: Int, seed: UInt64) -> [Image] {
        (0..<batch).map { sample in
            Image(
                channels: channels, height: height, width: width,
                values: testNumbers(channels * height * width, seed: 1000 * self.seed + seed + 100 * UInt64(sample)).map { Double($0) })
        }
    }
    /// The input of each sample.
    var x: [Image] { images(channels: inputs.channels, height: height, width: width, seed: 1) }
    /// The gradient with respect to the output of each sample.
    var gradient: [Image] { images(channels: outputs.channels, height: outputHeight, width: outputWidth, seed: 2) }
    /// What an accumulating input gradient is added to.
    var initial: [Image] { images(channels: inputs.channels, height: height, width: width, seed: 3) }
    /// Weights as [outputs][inputs][taps].
    var weights: [Float] { testNumbers(outputs.channels * inputs.channels * taps, seed: 1000 * seed + 4) }
    /// One bias for each output channel.
    var bias: [Float] { testNumbers(outputs.channels, seed: 1000 * seed + 5) }

    /// The weights as the kernels want them.
    var storedWeights: TestMemory {
        let weights = weights, result = TestMemory([Float](repeating: 0, count: plan().weightCount))
        inputs.forEachWeight(to: outputs, taps: taps) { logical, stored in result.pointer[stored] = weights[logical] }
        return result
    }
    var storedBias: TestMemory {
        let result = TestMemory([Float](repeating: 0, count: outputs.blocks * 16))
        for (lane, value) in zip(outputs.lanes, bias) { result.pointer[lane] = value }
        return result
    }

    // MARK: Reference

    /// Results in double precision for the channels that are checked.
    struct Expected: Sendable {
        var forward: [Image]
        var inputGradient: [Image]
        var weightGradient: [[Double]]
        var biasGradient: [[Double]]
    }

    /// Channels whose results are compared with the reference: all of a few, a sample of many (the reference is slow).
    var checkedInputs: [Int] { ConvolutionCase.sample(of: inputs.channels) }
    var checkedOutputs: [Int] { ConvolutionCase.sample(of: outputs.channels) }
    private static func sample(of channels: Int) -> [Int] {
        channels <= 128 ? Array(0..<channels) : [0, 1, 15, 16, channels / 2, channels - 17, channels - 2, channels - 1]
    }

    private let computed = Mutex<Expected?>(nil)

    var expected: Expected {
        computed.withLock { value in
            if let value { return value }
            let result = makeExpected()
            value = result
            return result
        }
    }

    static func select(_ image: Image, _ channels: [Int]) -> Image {
        let pixels = image.height * image.width
        return Image(
            channels: channels.count, height: image.height, width: image.width,
            values: channels.flatMap { image.values[($0 * pixels)..<(($0 + 1) * pixels)] })
    }

    private func makeExpected() -> Expected {
        let all = self.weights.map { Double($0) }, bias = self.bias.map { Double($0) }
        func weights(_ outputChannels: [Int], _ inputChannels: [Int]) -> [Double] {
            var result: [Double] = []
            for k in outputChannels {
                for c in inputChannels {
                    let first = (k * inputs.channels + c) * taps
                    result += all[first..<(first + taps)]
                }
            }
            return result
        }
        let allInputs = Array(0..<inputs.channels), allOutputs = Array(0..<outputs.channels)
        var result = Expected(forward: [], inputGradient: [], weightGradient: [], biasGradient: [])
        for (x, gradient) in zip(x, gradient) {
            let checkedBias = checkedOutputs.map { bias[$0] }, checkedX = ConvolutionCase.select(x, checkedInputs)
            let checkedGradient = ConvolutionCase.select(gradient, checkedOutputs)
            let w: [Double], b: [Double]
            if kind == .transposed {
                result.forward.append(
                    Reference.transposedConvolution(x, weights: weights(checkedOutputs, allInputs), bias: checkedBias))
                result.inputGradient.append(
                    Reference.transposedConvolutionInputGradient(
                        gradient, weights: weights(allOutputs, checkedInputs), inputChannels: checkedInputs.count))
                (w, b) = Reference.transposedConvolutionWeightGradient(checkedX, checkedGradient)
            } else {
                /// An unpadded convolution is the middle of a padded one.
                func middle(_ image: Image) -> Image {
                    guard kind == .valid else { return image }
                    return Reference.crop(
                        image, top: (kernelHeight - 1) / 2, left: (kernelWidth - 1) / 2, height: outputHeight, width: outputWidth)
                }
                func surrounded(_ image: Image) -> Image {
                    guard kind == .valid else { return image }
                    return Reference.cropGradient(
                        image, top: (kernelHeight - 1) / 2, left: (kernelWidth - 1) / 2, height: height, width: width)
                }
                func enlarged(_ image: Image) -> Image { kind == .upsampling ? Reference.upsample(image) : image }
                result.forward.append(
                    middle(
                        Reference.convolution(
                            enlarged(x), weights: weights(checkedOutputs, allInputs), bias: checkedBias, kernelHeight: kernelHeight,
                            kernelWidth: kernelWidth)))
                let inputGradient = Reference.convolutionInputGradient(
                    surrounded(gradient), weights: weights(allOutputs, checkedInputs), inputChannels: checkedInputs.count,
                    kernelHeight: kernelHeight, kernelWidth: kernelWidth)
                result.inputGradient.append(kind == .upsampling ? Reference.upsampleGradient(inputGradient) : inputGradient)
                (w, b) = Reference.convolutionWeightGradient(
                    enlarged(checkedX), surrounded(checkedGradient), kernelHeight: kernelHeight, kernelWidth: kernelWidth)
            }
            result.weightGradient.append(w)
            result.biasGradient.append(b)
        }
        return result
    }
}
