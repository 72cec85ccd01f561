// How convolutions are cut into tiles, tasks and scratch memory.

extension Convolution {
    /// Products for each tile and pair of channels, and the edge of a tile, of one of the schemes in the kernels.
    struct TileScheme {
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
            case .transposed, .pointwise, .gathered, .general: self = .pixels
            }
        }

        var isWinograd: Bool { edge > 1 }
        /// Tiles of one image.
        func tiles(height: Int, width: Int) -> Int { (height + edge - 1) / edge * ((width + edge - 1) / edge) }
    }

    /// F(6×6) where it saves at least a tenth of F(4×4)'s products on an image of this size, tiles that hang over the border counted.
    static func winograd(height: Int, width: Int) -> ConvolutionAlgorithm {
        func products(_ scheme: TileScheme) -> Int { scheme.tiles(height: height, width: width) * scheme.frequencies }
        return products(.winograd6) * 10 <= products(.winograd4) * 9 ? .winograd6 : .winograd4
    }

    var scheme: TileScheme { TileScheme(algorithm) }
    /// The input gradient of a gathered 3 × 3 convolution is Winograd's; that of other gathered kernels is the general one.
    var inputGradientAlgorithm: ConvolutionAlgorithm {
        if algorithm != .gathered { return algorithm }
        return kernelHeight == 3 && kernelWidth == 3 ? Convolution.winograd(height: input.height, width: input.width) : .general
    }
    /// Input and output blocks that the product sees.
    var productInputs: Int { algorithm == .gathered ? (inputChannels * kernelHeight * kernelWidth + 15) / 16 : input.blocks }
    var productOutputs: Int { algorithm == .transposed ? 4 * output.blocks : output.blocks }
    /// The image that forward and weight gradient cut into tiles; the input gradient's is the input.
    var tiled: Shape { kind.enlarges ? input : output }

    /// One direction of the tiled product: how tiles are grouped and where scratch memory goes.
    struct Tiling {
        var tiles, group, groups, outputParts: Int
        /// Whether the weights are transformed once and kept, and whether the input is: floats of either, or 0.
        var weightCount, inputCount: Int
        var threadCount: Int
        func scratchCount(threads: Int) -> Int { weightCount + inputCount + threads * threadCount }
    }

    /// How the forward pass (or the input gradient, with the roles of the channels exchanged) is cut into tasks.
    /// Each output's chain of operations does not depend on it.
    func tiling(
        _ scheme: TileScheme, of tiled: Shape, inputs: Int, outputs: Int, summed: Bool, threads: Int, multiple: Int
    ) -> Tiling {
        let tiles = tiled.batch * scheme.tiles(height: tiled.height, width: tiled.width), frequencies = scheme.frequencies
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
    var gradientGroup: Int {
        let tiles = scheme.tiles(height: tiled.height, width: tiled.width)
        if !scheme.isWinograd { return min(192, tiles) }
        return min(input.blocks * output.blocks <= 256 ? 64 : 256, tiles)
    }
    static let gradientChunk = 4

    /// How the forward pass is cut into tasks.
    func forwardTiling(on device: Device) -> Tiling {
        tiling(
            scheme, of: tiled, inputs: productInputs, outputs: productOutputs, summed: false, threads: device.threads.count,
            multiple: device.kernels.tileMultiple)
    }

    /// How the input gradient is cut into tasks, if it is not the general one.
    func inputGradientTiling(on device: Device) -> Tiling {
        tiling(
            TileScheme(inputGradientAlgorithm), of: input, inputs: productOutputs, outputs: input.blocks, summed: algorithm == .upsampled,
            threads: device.threads.count, multiple: device.kernels.tileMultiple)
    }

    /// Floats of scratch memory that any of the three operations needs on `device`.
    public func scratchCount(on device: Device) -> Int {
        let threads = device.threads.count
        if algorithm == .general { return generalScratchCount(threads: threads) }
        let backward =
            inputGradientAlgorithm == .general
            ? generalScratchCount(threads: threads) : inputGradientTiling(on: device).scratchCount(threads: threads)
        return max(forwardTiling(on: device).scratchCount(threads: threads), backward, gradientScratch.total(threads: threads))
    }

    /// Where the weight gradient's scratch memory goes.
    var gradientScratch: GradientScratch {
        GradientScratch(
            frequencies: scheme.frequencies, inputs: productInputs, outputs: productOutputs, group: gradientGroup,
            tiles: scheme.tiles(height: tiled.height, width: tiled.width), chunk: min(Convolution.gradientChunk, productInputs),
            biasCount: algorithm == .transposed ? productOutputs * 16 : 0)
    }

    /// Offsets of the weight gradient's scratch memory, in floats. `biasCount` floats take bias gradients that are to be summed.
    struct GradientScratch {
        let input, gradient, products, bias, thread: Int
        init(frequencies: Int, inputs: Int, outputs: Int, group: Int, tiles: Int, chunk: Int, biasCount: Int) {
            input = frequencies * (inputs * group + 1) * 16 + 1024
            gradient = frequencies * outputs * (group + 1) * 16 + 1024
            let chunks = (inputs + chunk - 1) / chunk
            products = tiles > group ? frequencies * outputs * chunks * (chunk * 16 + 1) * 16 + 1024 : 0
            bias = biasCount
            thread = (256 + (group * 24 + 63) / 64 + (tiles > group ? 0 : frequencies * (chunk * 64 + 1)) + 64) * 16
        }
        func total(threads: Int) -> Int { input + gradient + products + bias + threads * thread }
    }
}
