import CSIMD

/// How a convolution is computed. Chosen by the shape of one sample alone, so that every rank chooses alike.
public enum ConvolutionAlgorithm: String, Sendable {
    /// 3 × 3 by Winograd's F(4×4, 3×3): a quarter of the products.
    case winograd4
    /// 3 × 3 by Winograd's F(6×6, 3×3): a fifth of the products.
    case winograd6
    /// Nearest-neighbour upsampling by 2 and a 2 × 2 convolution in one, with a quarter of the products.
    case upsampled
    /// Transposed 2 × 2 with stride 2: four matrix products over pixels.
    case transposed
    /// 1 × 1: a matrix product over pixels.
    case pointwise
    /// Few input channels: the taps are gathered into vectors, then a matrix product over pixels.
    case gathered
    /// Any kernel size: patches are copied into a matrix (im2col) and multiplied by OpenBLAS.
    case general
}

/// A planned convolution with stride 1, or one that enlarges the image by 2; with or without bias.
///
/// Weights lie as `[output block][input block][kernel row · kernel column][16 input channels][16 output channels]`.
/// Everything here works for any height and width. The naive version of each operation is in `Reference`.
public struct Convolution: Sendable {
    /// How the output lies on the input.
    public enum Kind: String, Sendable {
        /// Stride 1 and "same" padding: as large as the input, the smaller half of the zeros above and to the left.
        case same
        /// Stride 1 and no padding: smaller than the input by the kernel's size less one.
        case valid
        /// The input is enlarged by 2 (nearest neighbour) and convolved with a 2 × 2 kernel and "same" padding.
        case upsampling
        /// Transposed 2 × 2 convolution with stride 2: y(2i + a, 2j + b) = Σ w(a, b) x(i, j).
        case transposed

        /// Whether the output is twice as large as the input.
        public var enlarges: Bool { self == .upsampling || self == .transposed }
    }

    /// How the output lies on the input.
    public let kind: Kind
    /// How it is computed.
    public let algorithm: ConvolutionAlgorithm
    /// Shape of the input.
    public let input: Shape
    /// Shape of the output.
    public let output: Shape
    /// Channels of the input that are not padding (the algorithms for few channels use it).
    public let inputChannels: Int
    /// Rows of the kernel.
    public let kernelHeight: Int
    /// Columns of the kernel.
    public let kernelWidth: Int

    /// Plans a convolution of `input`. `algorithm` overrides the rule; it must fit the kernel.
    public init(
        input: Shape, inputChannels: Int, outputBlocks: Int, kernelHeight: Int, kernelWidth: Int, kind: Kind = .same,
        algorithm: ConvolutionAlgorithm? = nil
    ) {
        precondition(inputChannels <= input.blocks * 16, "Convolution: \(inputChannels) channels in \(input)")
        let (height, width) =
            switch kind {
            case .same: (input.height, input.width)
            case .valid: (input.height - kernelHeight + 1, input.width - kernelWidth + 1)
            case .upsampling, .transposed: (2 * input.height, 2 * input.width)
            }
        precondition(height > 0 && width > 0, "Convolution: \(kernelHeight) × \(kernelWidth) without padding of \(input)")
        output = Shape(batch: input.batch, blocks: outputBlocks, height: height, width: width)
        let chosen =
            algorithm
            ?? Convolution.algorithm(
                inputChannels: input.blocks == 1 ? inputChannels : input.blocks * 16, height: height, width: width,
                kernelHeight: kernelHeight, kernelWidth: kernelWidth, kind: kind)
        let fits =
            switch chosen {
            case .winograd4, .winograd6: kernelHeight == 3 && kernelWidth == 3 && !kind.enlarges
            case .upsampled: kernelHeight == 2 && kernelWidth == 2 && kind == .upsampling
            case .transposed: kernelHeight == 2 && kernelWidth == 2 && kind == .transposed
            case .pointwise: kernelHeight == 1 && kernelWidth == 1 && !kind.enlarges
            case .gathered: input.blocks == 1 && inputChannels * kernelHeight * kernelWidth <= 64 && !kind.enlarges
            case .general: kind != .transposed
            }
        precondition(fits, "Convolution: \(kind), \(kernelHeight) × \(kernelWidth) of \(inputChannels) channels, by \(chosen)")
        self.kind = kind
        self.algorithm = chosen
        self.input = input
        self.inputChannels = inputChannels
        self.kernelHeight = kernelHeight
        self.kernelWidth = kernelWidth
    }

    /// The rule: what enlarges by `upsampled` or `transposed`; 1 × 1 by `pointwise`; at most three channels (and at most 64 taps in all)
    /// by `gathered`; 3 × 3 by `winograd4` or `winograd6`; other kernel sizes by `general`. Height and width are the output's.
    public static func algorithm(
        inputChannels: Int, height: Int, width: Int, kernelHeight: Int, kernelWidth: Int, kind: Kind
    ) -> ConvolutionAlgorithm {
        if kind.enlarges { return kind == .upsampling ? .upsampled : .transposed }
        if kernelHeight == 1 && kernelWidth == 1 { return .pointwise }
        if inputChannels <= 3 && inputChannels * kernelHeight * kernelWidth <= 64 { return .gathered }
        return kernelHeight == 3 && kernelWidth == 3 ? winograd(height: height, width: width) : .general
    }

    /// Floats of the weights.
    public var weightCount: Int { output.blocks * input.blocks * kernelHeight * kernelWidth * 256 }

    /// Products of one pair of channels that make one output of the direct convolution.
    public var tapsPerOutput: Int { kind == .transposed ? 1 : kernelHeight * kernelWidth }

    /// Multiply-adds of the direct convolution of the whole batch, counted with the stored (padded) channels.
    public var multiplyAdds: Int { output.batch * output.pixels * tapsPerOutput * input.blocks * output.blocks * 256 }

    /// Zeros above and to the left of the input.
    var padding: (top: Int, left: Int) { kind == .valid ? (0, 0) : ((kernelHeight - 1) / 2, (kernelWidth - 1) / 2) }

    private func check(_ what: StaticString, _ tensor: Tensor, _ shape: Shape) {
        precondition(tensor.shape == shape, "Convolution: \(what) is \(tensor.shape), planned was \(shape)")
    }

    /// output = activation(input ∗ weights + bias).
    ///
    /// - Parameters:
    ///   - weights: `weightCount` floats in the layout above.
    ///   - bias: `output.blocks` · 16 floats; nil for none.
    ///   - scratch: `scratchCount(on:)` floats.
    public func forward(
        on device: Device, input: Tensor, weights: UnsafePointer<Float>, bias: UnsafePointer<Float>?, output: Tensor, relu: Bool,
        scratch: UnsafeMutablePointer<Float>
    ) {
        check("input", input, self.input)
        check("output", output, self.output)
        let kernels = device.kernels
        if algorithm == .general {
            return generalForward(on: device, input: input, weights: weights, bias: bias, output: output, relu: relu, scratch: scratch)
        }
        let tiling = forwardTiling(on: device)
        var arguments = convolutionArguments(
            tiling, input: input, weights: weights, output: output, tiled: tiled, inputs: productInputs, outputs: productOutputs,
            scratch: scratch)
        (arguments.top, arguments.left) = padding
        arguments.bias = bias
        arguments.relu = relu
        switch algorithm {
        case .winograd4, .winograd6: runWinograd(algorithm, device, tiling, arguments)
        case .upsampled: run(device, tiling, arguments, weights: kernels.upsampledWeights, product: kernels.upsampled)
        case .transposed: run(device, tiling, arguments, weights: kernels.transposedWeights, product: kernels.transposed)
        case .pointwise: run(device, tiling, arguments, weights: kernels.pointwiseWeights, product: kernels.pointwise)
        default: run(device, tiling, arguments, weights: kernels.gatheredWeights, product: kernels.gathered)
        }
    }

    /// inputGradient (+)= the gradient with respect to the input, zeroed where `mask` is not positive.
    ///
    /// - Parameters:
    ///   - mask: of the input's shape; the input itself where it is the output of a ReLU, whose gradient this then includes.
    ///   - accumulate: add to what `inputGradient` holds, before masking.
    public func inputGradient(
        on device: Device, outputGradient: Tensor, weights: UnsafePointer<Float>, inputGradient: Tensor, accumulate: Bool, mask: Tensor?,
        scratch: UnsafeMutablePointer<Float>
    ) {
        check("output gradient", outputGradient, output)
        check("input gradient", inputGradient, input)
        if let mask { check("mask", mask, input) }
        let kernels = device.kernels
        let algorithm = inputGradientAlgorithm
        if algorithm == .general {
            return generalInputGradient(
                on: device, outputGradient: outputGradient, weights: weights, inputGradient: inputGradient, accumulate: accumulate,
                mask: mask,
                scratch: scratch)
        }
        let tiling = inputGradientTiling(on: device)
        var arguments = convolutionArguments(
            tiling, input: outputGradient, weights: weights, output: inputGradient, tiled: input, inputs: productOutputs,
            outputs: input.blocks, scratch: scratch)
        (arguments.top, arguments.left) = (kernelHeight - 1 - padding.top, kernelWidth - 1 - padding.left)
        arguments.mask = mask.map { UnsafePointer($0.pointer) }
        arguments.maskStride = mask?.sampleStride ?? 0
        arguments.accumulate = accumulate
        arguments.rotated = true
        switch algorithm {
        case .winograd4, .winograd6: runWinograd(algorithm, device, tiling, arguments)
        case .upsampled: run(device, tiling, arguments, weights: kernels.upsampledInputWeights, product: kernels.upsampledInput)
        case .transposed: run(device, tiling, arguments, weights: kernels.transposedInputWeights, product: kernels.transposedInput)
        default: run(device, tiling, arguments, weights: kernels.pointwiseWeights, product: kernels.pointwise)
        }
    }

    /// Outputs of this size and more are written past the caches: they would not stay until they are read, and a cache line is
    /// otherwise read before it is overwritten.
    private static let streamedBytes = 2 << 20

    private func convolutionArguments(
        _ tiling: Tiling, input: Tensor, weights: UnsafePointer<Float>, output: Tensor, tiled: Shape, inputs: Int, outputs: Int,
        scratch: UnsafeMutablePointer<Float>
    ) -> csimd_convolution {
        var arguments = csimd_convolution()
        arguments.input = UnsafePointer(input.pointer)
        arguments.inputStride = input.sampleStride
        arguments.weights = weights
        arguments.output = output.pointer
        arguments.outputStride = output.sampleStride
        arguments.transformed = tiling.weightCount > 0 ? scratch : nil
        arguments.transformedInput = tiling.inputCount > 0 ? scratch + tiling.weightCount : nil
        arguments.scratch = scratch + tiling.weightCount + tiling.inputCount
        arguments.scratchStride = tiling.threadCount
        arguments.batch = self.input.batch
        arguments.inputBlocks = inputs
        arguments.outputBlocks = outputs
        arguments.height = tiled.height
        arguments.width = tiled.width
        arguments.inputHeight = input.shape.height
        arguments.inputWidth = input.shape.width
        arguments.inputChannels = inputChannels
        arguments.kernelHeight = kernelHeight
        arguments.kernelWidth = kernelWidth
        arguments.tiles = tiling.tiles
        arguments.tileGroup = tiling.group
        arguments.outputParts = tiling.outputParts
        arguments.streams = output.shape.sampleCount * 4 >= Convolution.streamedBytes
        return arguments
    }

    /// Forward and input gradient alike: the arguments say which.
    private func runWinograd(_ algorithm: ConvolutionAlgorithm, _ device: Device, _ tiling: Tiling, _ arguments: csimd_convolution) {
        let kernels = device.kernels
        let (weights, input, product) =
            algorithm == .winograd6
            ? (kernels.winograd6Weights, kernels.winograd6Input, kernels.winograd6)
            : (kernels.winograd4Weights, kernels.winograd4Input, kernels.winograd4)
        run(device, tiling, arguments, weights: weights!, input: input!, product: product!)
    }

    private func run(
        _ device: Device, _ tiling: Tiling, _ arguments: csimd_convolution, weights: csimd_task, input: csimd_task? = nil,
        product: csimd_task
    ) {
        if tiling.weightCount > 0 { device.threads.run(arguments.outputBlocks, arguments, weights) }
        if tiling.inputCount > 0 { device.threads.run(arguments.inputBlocks, arguments, input!) }
        device.threads.run(tiling.groups * tiling.outputParts, arguments, product)
    }

    /// The gradients of one sample with respect to weights and bias; both are overwritten.
    ///
    /// - Parameters:
    ///   - sample: which sample of `input` and `outputGradient`.
    ///   - weightGradient: `weightCount` floats.
    ///   - biasGradient: `output.blocks` · 16 floats; nil where there is no bias.
    public func weightGradient(
        on device: Device, input: Tensor, outputGradient: Tensor, sample: Int, weightGradient: UnsafeMutablePointer<Float>,
        biasGradient: UnsafeMutablePointer<Float>?, scratch: UnsafeMutablePointer<Float>
    ) {
        check("input", input, self.input)
        check("output gradient", outputGradient, output)
        let kernels = device.kernels
        if algorithm == .general {
            return generalWeightGradient(
                on: device, input: input.sample(sample), outputGradient: outputGradient.sample(sample), weightGradient: weightGradient,
                biasGradient: biasGradient, scratch: scratch)
        }
        let layout = gradientScratch
        var a = csimd_weight_gradient()
        a.input = UnsafePointer(input.pointer + sample * input.sampleStride)
        a.outputGradient = UnsafePointer(outputGradient.pointer + sample * outputGradient.sampleStride)
        a.weightGradient = weightGradient
        // Of a transposed convolution each tap has a gradient first.
        let ofTaps = algorithm == .transposed && biasGradient != nil ? scratch + layout.input + layout.gradient + layout.products : nil
        a.biasGradient = ofTaps ?? biasGradient
        a.transformedInput = scratch
        a.transformedGradient = scratch + layout.input
        a.products = scratch + layout.input + layout.gradient
        a.scratch = scratch + layout.input + layout.gradient + layout.products + layout.bias
        a.scratchStride = layout.thread
        a.inputBlocks = productInputs
        a.outputBlocks = productOutputs
        a.height = tiled.height
        a.width = tiled.width
        a.inputHeight = self.input.height
        a.inputWidth = self.input.width
        (a.top, a.left) = padding
        a.inputChannels = inputChannels
        a.kernelHeight = kernelHeight
        a.kernelWidth = kernelWidth
        a.tiles = scheme.tiles(height: tiled.height, width: tiled.width)
        a.tileGroup = gradientGroup
        a.inputChunk = min(Convolution.gradientChunk, productInputs)
        let transform: csimd_task, product: csimd_task
        switch algorithm {
        case .winograd4: (transform, product) = (kernels.winograd4GradientTransform, kernels.winograd4GradientProduct)
        case .winograd6: (transform, product) = (kernels.winograd6GradientTransform, kernels.winograd6GradientProduct)
        case .upsampled: (transform, product) = (kernels.upsampledGradientTransform, kernels.upsampledGradientProduct)
        case .transposed: (transform, product) = (kernels.transposedGradientTransform, kernels.transposedGradientProduct)
        case .pointwise: (transform, product) = (kernels.pointwiseGradientTransform, kernels.pointwiseGradientProduct)
        default: (transform, product) = (kernels.gatheredGradientTransform, kernels.gatheredGradientProduct)
        }
        let units = productOutputs * ((productInputs + a.inputChunk - 1) / a.inputChunk)
        for group in 0..<((a.tiles + a.tileGroup - 1) / a.tileGroup) {
            a.group = group
            device.threads.run(productInputs + productOutputs, a, transform)
            device.threads.run(units, a, product)
        }
        if let ofTaps, let biasGradient {
            for i in 0..<(output.blocks * 16) {
                let tap = ofTaps + (i / 16 * 64 + i % 16)
                biasGradient[i] = (tap[0] + tap[16]) + (tap[32] + tap[48])
            }
        }
    }
}
