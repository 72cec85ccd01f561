import CSIMD

/// How a convolution is computed. Chosen by the shape of one sample alone, so that every rank chooses alike.
public enum ConvolutionAlgorithm: String, Sendable {
    /// 3 × 3 by Winograd's F(4×4, 3×3): a quarter of the products.
    case winograd4
    /// 3 × 3 by Winograd's F(6×6, 3×3): a fifth of the products.
    case winograd6
    /// Nearest-neighbour upsampling by 2 and a 2 × 2 convolution in one, with a quarter of the products.
    case upsampled
    /// 1 × 1: a matrix product over pixels.
    case pointwise
    /// Few input channels: the taps are gathered into vectors, then a matrix product over pixels.
    case gathered
    /// Any kernel size: patches are copied into a matrix (im2col) and multiplied by OpenBLAS.
    case general
}

/// A planned convolution: stride 1, "same" padding with the smaller half of the zeros above and to the left, bias.
///
/// Weights lie as `[output block][input block][kernel row · kernel column][16 input channels][16 output channels]`.
/// Everything here works for any height and width. The naive version of each operation is in `Reference`.
public struct Convolution: Sendable {
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

    /// Plans a convolution of `input`. With `upsampling`, the input is first enlarged by 2 in both directions (nearest
    /// neighbour) and the kernel must be 2 × 2. `algorithm` overrides the rule; it must fit the kernel.
    public init(
        input: Shape, inputChannels: Int, outputBlocks: Int, kernelHeight: Int, kernelWidth: Int, upsampling: Bool = false,
        algorithm: ConvolutionAlgorithm? = nil
    ) {
        precondition(inputChannels <= input.blocks * 16, "Convolution: \(inputChannels) channels in \(input)")
        let chosen =
            algorithm
            ?? Convolution.algorithm(
                inputChannels: input.blocks == 1 ? inputChannels : input.blocks * 16, height: input.height, width: input.width,
                kernelHeight: kernelHeight, kernelWidth: kernelWidth, upsampling: upsampling)
        let fits =
            switch chosen {
            case .winograd4, .winograd6: kernelHeight == 3 && kernelWidth == 3
            case .upsampled: kernelHeight == 2 && kernelWidth == 2
            case .pointwise: kernelHeight == 1 && kernelWidth == 1
            case .gathered: input.blocks == 1 && inputChannels * kernelHeight * kernelWidth <= 64
            case .general: true
            }
        precondition(
            fits && (upsampling ? chosen == .upsampled || chosen == .general : chosen != .upsampled),
            "Convolution: \(kernelHeight) × \(kernelWidth) of \(inputChannels) channels, upsampling \(upsampling), by \(chosen)")
        self.algorithm = chosen
        self.input = input
        self.inputChannels = inputChannels
        self.kernelHeight = kernelHeight
        self.kernelWidth = kernelWidth
        let scale = upsampling ? 2 : 1
        output = Shape(batch: input.batch, blocks: outputBlocks, height: input.height * scale, width: input.width * scale)
    }

    /// The rule: 1 × 1 by `pointwise`; at most three channels (and at most 64 taps in all) by `gathered`; 3 × 3 by `winograd4` or
    /// `winograd6`; what follows an upsampling by `upsampled`; other kernel sizes by `general`.
    public static func algorithm(
        inputChannels: Int, height: Int, width: Int, kernelHeight: Int, kernelWidth: Int, upsampling: Bool
    ) -> ConvolutionAlgorithm {
        if upsampling { return .upsampled }
        if kernelHeight == 1 && kernelWidth == 1 { return .pointwise }
        if inputChannels <= 3 && inputChannels * kernelHeight * kernelWidth <= 64 { return .gathered }
        return kernelHeight == 3 && kernelWidth == 3 ? winograd(height: height, width: width) : .general
    }

    /// F(6×6) where it saves at least a tenth of F(4×4)'s products on an image of this size, tiles that hang over the border counted.
    private static func winograd(height: Int, width: Int) -> ConvolutionAlgorithm {
        func products(_ scheme: TileScheme) -> Int { scheme.tiles(height: height, width: width) * scheme.frequencies }
        return products(.winograd6) * 10 <= products(.winograd4) * 9 ? .winograd6 : .winograd4
    }

    /// Floats of the weights.
    public var weightCount: Int { output.blocks * input.blocks * kernelHeight * kernelWidth * 256 }

    /// Multiply-adds of the direct convolution of the whole batch, counted with the stored (padded) channels.
    public var multiplyAdds: Int {
        output.batch * output.pixels * kernelHeight * kernelWidth * input.blocks * output.blocks * 256
    }

    // MARK: The tiled schemes

    /// Products for each tile and pair of channels, and the edge of a tile, of one of the schemes in the kernels.
    private struct TileScheme {
        var frequencies, edge: Int
        static let winograd4 = TileScheme(frequencies: 36, edge: 4), winograd6 = TileScheme(frequencies: 64, edge: 6)
        static let upsampled = TileScheme(frequencies: 4, edge: 1), pixels = TileScheme(frequencies: 1, edge: 1)

        init(frequencies: Int, edge: Int) {
            self.frequencies = frequencies
            self.edge = edge
        }

        init(_ algorithm: ConvolutionAlgorithm) {
            switch algorithm {
            case .winograd4: self = .winograd4
            case .winograd6: self = .winograd6
            case .upsampled: self = .upsampled
            case .pointwise, .gathered, .general: self = .pixels
            }
        }

        var isWinograd: Bool { edge > 1 }
        /// Tiles of one image.
        func tiles(height: Int, width: Int) -> Int { (height + edge - 1) / edge * ((width + edge - 1) / edge) }
    }

    private var scheme: TileScheme { TileScheme(algorithm) }
    /// The input gradient of a gathered 3 × 3 convolution is Winograd's; that of other gathered kernels is the general one.
    private var inputGradientAlgorithm: ConvolutionAlgorithm {
        if algorithm != .gathered { return algorithm }
        return kernelHeight == 3 && kernelWidth == 3 ? Convolution.winograd(height: input.height, width: input.width) : .general
    }
    /// Input blocks that the product sees.
    private var productBlocks: Int {
        algorithm == .gathered ? (inputChannels * kernelHeight * kernelWidth + 15) / 16 : input.blocks
    }

    /// One direction of the tiled product: how tiles are grouped and where scratch memory goes.
    private struct Tiling {
        var tiles, group, groups, outputParts: Int
        /// Whether the weights are transformed once and kept, and whether the input is: floats of either, or 0.
        var weightCount, inputCount: Int
        var threadCount: Int
        func scratchCount(threads: Int) -> Int { weightCount + inputCount + threads * threadCount }
    }

    /// How the forward pass (or the input gradient, with the roles of the channels exchanged) is cut into tasks.
    /// Each output's chain of operations does not depend on it.
    private func tiling(_ scheme: TileScheme, inputs: Int, outputs: Int, summed: Bool, threads: Int, multiple: Int) -> Tiling {
        let tiles = input.batch * scheme.tiles(height: input.height, width: input.width), frequencies = scheme.frequencies
        // Winograd's transformed weights are large. Where all tiles fit in one group, or the weights are more than the tiles, each block
        // of them is made when it is needed, multiplied with as many tiles as possible and forgotten; it never leaves the cache.
        let fuses = scheme.isWinograd && (tiles <= 256 || inputs * outputs > 512)
        let wanted = fuses ? 256 : (scheme.isWinograd ? (scheme.edge == 6 ? 24 : 48) : 192)
        let group = min((wanted + multiple - 1) / multiple * multiple, tiles)
        let groups = (tiles + group - 1) / group
        // The threads share one transformed input where there is one group: else each would transform it for its outputs.
        let sharesInput = fuses && groups == 1
        let parts = threads == 1 ? 1 : min(outputs, max(1, ((sharesInput ? 4 : 2) * threads + groups - 1) / groups))
        let inputCount = frequencies * (inputs * group + 1) * 16
        let vectors =
            256 + (group * 24 + 63) / 64 + (summed ? 1 : frequencies) * (group * 4 + 1)
            + (fuses ? frequencies * (min(4, inputs) * 64 + 1) : 0) + 64
        return Tiling(
            tiles: tiles, group: group, groups: groups, outputParts: parts,
            weightCount: fuses ? 0 : frequencies * inputs * outputs * 256, inputCount: sharesInput ? inputCount + 1024 : 0,
            threadCount: vectors * 16 + (sharesInput ? 0 : inputCount))
    }

    /// Groups of the weight gradient's tiles: a partition that depends on the shape alone, since it orders the sum.
    private var gradientGroup: Int {
        let tiles = scheme.tiles(height: input.height, width: input.width)
        if !scheme.isWinograd { return min(192, tiles) }
        return min(input.blocks * output.blocks <= 256 ? 64 : 256, tiles)
    }
    private static let gradientChunk = 4

    /// Floats of scratch memory that any of the three operations needs on `device`.
    public func scratchCount(on device: Device) -> Int {
        if algorithm == .general { return generalScratchCount(threads: device.threads.count) }
        let threads = device.threads.count, multiple = device.kernels.tileMultiple
        let forward = tiling(
            scheme, inputs: productBlocks, outputs: output.blocks, summed: false, threads: threads, multiple: multiple)
        let backward =
            inputGradientAlgorithm == .general
            ? generalScratchCount(threads: threads)
            : tiling(
                TileScheme(inputGradientAlgorithm), inputs: output.blocks, outputs: input.blocks, summed: algorithm == .upsampled,
                threads: threads, multiple: multiple
            ).scratchCount(threads: threads)
        return max(forward.scratchCount(threads: threads), backward, gradientScratch.total(threads: threads))
    }

    private var gradientScratch: GradientScratch {
        GradientScratch(
            frequencies: scheme.frequencies, inputs: productBlocks, outputs: output.blocks, group: gradientGroup,
            tiles: scheme.tiles(height: input.height, width: input.width),
            chunk: min(Convolution.gradientChunk, productBlocks))
    }

    /// Offsets of the weight gradient's scratch memory, in floats.
    private struct GradientScratch {
        let input, gradient, products, thread: Int
        init(frequencies: Int, inputs: Int, outputs: Int, group: Int, tiles: Int, chunk: Int) {
            input = frequencies * (inputs * group + 1) * 16 + 1024
            gradient = frequencies * outputs * (group + 1) * 16 + 1024
            let chunks = (inputs + chunk - 1) / chunk
            products = tiles > group ? frequencies * outputs * chunks * (chunk * 16 + 1) * 16 + 1024 : 0
            thread = (256 + (group * 24 + 63) / 64 + (tiles > group ? 0 : frequencies * (chunk * 64 + 1)) + 64) * 16
        }
        func total(threads: Int) -> Int { input + gradient + products + threads * thread }
    }

    private func check(_ what: StaticString, _ tensor: Tensor, _ shape: Shape) {
        precondition(tensor.shape == shape, "Convolution: \(what) is \(tensor.shape), planned was \(shape)")
    }

    /// output = activation(input ∗ weights + bias).
    ///
    /// - Parameters:
    ///   - weights: `weightCount` floats in the layout above.
    ///   - bias: `output.blocks` · 16 floats.
    ///   - scratch: `scratchCount(on:)` floats.
    public func forward(
        on device: Device, input: Tensor, weights: UnsafePointer<Float>, bias: UnsafePointer<Float>, output: Tensor, relu: Bool,
        scratch: UnsafeMutablePointer<Float>
    ) {
        check("input", input, self.input)
        check("output", output, self.output)
        let kernels = device.kernels
        if algorithm == .general {
            return generalForward(on: device, input: input, weights: weights, bias: bias, output: output, relu: relu, scratch: scratch)
        }
        let tiling = tiling(
            scheme, inputs: productBlocks, outputs: output.shape.blocks, summed: false, threads: device.threads.count,
            multiple: kernels.tileMultiple)
        var arguments = convolutionArguments(
            tiling, input: input, weights: weights, output: output, inputs: productBlocks, scratch: scratch)
        arguments.bias = bias
        arguments.relu = relu
        switch algorithm {
        case .winograd4, .winograd6: runWinograd(algorithm, device, tiling, arguments)
        case .upsampled: run(device, tiling, arguments, weights: kernels.upsampledWeights, product: kernels.upsampled)
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
        let tiling = tiling(
            TileScheme(algorithm), inputs: output.blocks, outputs: input.blocks, summed: algorithm == .upsampled,
            threads: device.threads.count, multiple: kernels.tileMultiple)
        var arguments = convolutionArguments(
            tiling, input: outputGradient, weights: weights, output: inputGradient, inputs: output.blocks, scratch: scratch)
        arguments.mask = mask.map { UnsafePointer($0.pointer) }
        arguments.maskStride = mask?.sampleStride ?? 0
        arguments.accumulate = accumulate
        arguments.rotated = true
        switch algorithm {
        case .winograd4, .winograd6: runWinograd(algorithm, device, tiling, arguments)
        case .upsampled: run(device, tiling, arguments, weights: kernels.upsampledInputWeights, product: kernels.upsampledInput)
        default: run(device, tiling, arguments, weights: kernels.pointwiseWeights, product: kernels.pointwise)
        }
    }

    /// Outputs of this size and more are written past the caches: they would not stay until they are read, and a cache line is
    /// otherwise read before it is overwritten.
    private static let streamedBytes = 2 << 20

    private func convolutionArguments(
        _ tiling: Tiling, input: Tensor, weights: UnsafePointer<Float>, output: Tensor, inputs: Int, scratch: UnsafeMutablePointer<Float>
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
        arguments.outputBlocks = output.shape.blocks
        arguments.height = self.input.height
        arguments.width = self.input.width
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
    ///   - biasGradient: `output.blocks` · 16 floats.
    public func weightGradient(
        on device: Device, input: Tensor, outputGradient: Tensor, sample: Int, weightGradient: UnsafeMutablePointer<Float>,
        biasGradient: UnsafeMutablePointer<Float>, scratch: UnsafeMutablePointer<Float>
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
        a.biasGradient = biasGradient
        a.transformedInput = scratch
        a.transformedGradient = scratch + layout.input
        a.products = scratch + layout.input + layout.gradient
        a.scratch = scratch + layout.input + layout.gradient + layout.products
        a.scratchStride = layout.thread
        a.inputBlocks = productBlocks
        a.outputBlocks = output.blocks
        a.height = self.input.height
        a.width = self.input.width
        a.inputChannels = inputChannels
        a.kernelHeight = kernelHeight
        a.kernelWidth = kernelWidth
        a.tiles = scheme.tiles(height: self.input.height, width: self.input.width)
        a.tileGroup = gradientGroup
        a.inputChunk = min(Convolution.gradientChunk, productBlocks)
        let transform: csimd_task, product: csimd_task
        switch algorithm {
        case .winograd4: (transform, product) = (kernels.winograd4GradientTransform, kernels.winograd4GradientProduct)
        case .winograd6: (transform, product) = (kernels.winograd6GradientTransform, kernels.winograd6GradientProduct)
        case .upsampled: (transform, product) = (kernels.upsampledGradientTransform, kernels.upsampledGradientProduct)
        case .pointwise: (transform, product) = (kernels.pointwiseGradientTransform, kernels.pointwiseGradientProduct)
        default: (transform, product) = (kernels.gatheredGradientTransform, kernels.gatheredGradientProduct)
        }
        let units = output.blocks * ((productBlocks + a.inputChunk - 1) / a.inputChunk)
        for group in 0..<((a.tiles + a.tileGroup - 1) / a.tileGroup) {
            a.group = group
            device.threads.run(productBlocks + output.blocks, a, transform)
            device.threads.run(units, a, product)
        }
    }
}
