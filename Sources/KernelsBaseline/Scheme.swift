import CSIMD

/// What a tile transform needs to know of the image. `height` and `width` are those of the tiled image; for schemes that enlarge
/// that is the low-resolution source, and the other image is twice as large. The schemes with stride 1 and a kernel of more than one tap
/// look at an input of `inputHeight` × `inputWidth` pixels with `top` and `left` zeros in front.
struct Geometry {
    let height, width, channels, kernelHeight, kernelWidth, inputHeight, inputWidth, top, left: Int

    @inline(__always) init(_ a: csimd_convolution) {
        (height, width, channels) = (a.height, a.width, a.inputChannels)
        (kernelHeight, kernelWidth) = (a.kernelHeight, a.kernelWidth)
        (inputHeight, inputWidth, top, left) = (a.inputHeight, a.inputWidth, a.top, a.left)
    }

    @inline(__always) init(_ a: csimd_weight_gradient) {
        (height, width, channels) = (a.height, a.width, a.inputChannels)
        (kernelHeight, kernelWidth) = (a.kernelHeight, a.kernelWidth)
        (inputHeight, inputWidth, top, left) = (a.inputHeight, a.inputWidth, a.top, a.left)
    }
}

/// Sample, and row and column of the tile's first output in the tiled image.
struct TilePosition {
    var sample, row, column: Int
}

/// A convolution as: transform the input tiles, multiply with transformed weights frequency by frequency, transform back.
///
/// Winograd's algorithm, upsampling followed by a 2 × 2 convolution, 1 × 1 convolution and the gathered convolution of a
/// few channels all have this form; the drivers below serve them all. Transformed tiles lie as
/// [frequency][block][tile][16], products as [frequency][tile][panel width].
protocol Scheme {
    /// Products for each tile and channel pair.
    static var frequencies: Int { get }
    /// Whether the output is the plain sum over all frequencies: their products then share one accumulator.
    static var summed: Bool { get }
    /// Edge of a tile in the tiled image.
    static var tileEdge: Int { get }

    /// Transforms `count` tiles of one block of input channels; consecutive tiles are one vector apart, frequencies `frequencyStride`.
    static func transformInput(
        _ input: VectorPointer, block: Int, sampleStride: Int, _ geometry: Geometry, _ positions: UnsafePointer<TilePosition>, count: Int,
        _ result: MutableVectorPointer, frequencyStride: Int, _ work: MutableVectorPointer)

    /// Transforms the weights of `width` output blocks from `firstOutput` and `inputs` input blocks from `firstInput` to
    /// [frequency][input channel][width]. Rotated weights are those of the layer whose input gradient is computed.
    static func transformWeights(
        _ weights: VectorPointer, rotated: Bool, inputBlocks: Int, outputBlocks: Int, firstOutput: Int, width: Int, firstInput: Int,
        inputs: Int, _ geometry: Geometry, _ result: MutableVectorPointer, frequencyStride: Int, _ work: MutableVectorPointer)

    /// Transforms one tile's products to outputs and stores them.
    static func transformOutput(
        _ products: VectorPointer, frequencyStride: Int, _ geometry: Geometry, _ position: TilePosition, _ store: TileStore, block: Int,
        _ work: MutableVectorPointer)

    /// Adjoint of `transformOutput`: transforms `count` tiles of the output gradient; tiles are `tileStride` vectors
    /// apart. Returns the sum of the gradient over these tiles (the bias gradient's share).
    static func transformGradient(
        _ gradient: VectorPointer, block: Int, _ geometry: Geometry, _ positions: UnsafePointer<TilePosition>, count: Int,
        _ result: MutableVectorPointer, tileStride: Int, frequencyStride: Int, _ work: MutableVectorPointer
    ) -> Vector

    /// Adjoint of `transformWeights` for one panel column: products [frequency][input channel][width] to weight gradients.
    static func adjointWeights(
        _ products: VectorPointer, frequencyStride: Int, inputBlocks: Int, output: Int, width: Int, firstInput: Int, inputs: Int,
        _ geometry: Geometry, _ result: MutableVectorPointer, _ work: MutableVectorPointer)
}

/// Where outputs go, and what happens to them on the way: bias and ReLU forward, mask and accumulation in an input gradient.
struct TileStore {
    let output: MutableVectorPointer
    let mask: VectorPointer?
    let bias: VectorPointer?
    let outputStride, maskStride: Int  // vectors between samples
    let relu, accumulate, streams: Bool

    init(_ a: csimd_convolution) {
        output = vectors(a.output)
        mask = a.mask.map { vectors($0) }
        bias = a.bias.map { vectors($0) }
        outputStride = a.outputStride / 16
        maskStride = a.maskStride / 16
        relu = a.relu
        accumulate = a.accumulate
        streams = a.streams
    }

    @inline(__always) func biasVector(_ block: Int) -> Vector { bias.map { $0[block] } ?? .zero }

    /// Stores a vector at `pixel` of a block plane of `planeSize` pixels.
    @inline(__always) func callAsFunction(_ value: Vector, sample: Int, plane: Int, pixel: Int) {
        var v = value
        if relu { v = f32x16_relu(v) }
        let p = output + (sample &* outputStride &+ plane &+ pixel)
        if accumulate { v += p.pointee }
        if let mask { v = f32x16_where_positive(v, mask[sample &* maskStride &+ plane &+ pixel]) }
        if streams { f32x16_stream(p, v) } else { p.pointee = v }
    }
}

/// Positions of tiles [first, first + count).
@inline(__always)
func fillPositions(_ positions: UnsafeMutablePointer<TilePosition>, first: Int, count: Int, height: Int, width: Int, edge: Int) {
    let columns = (width &+ edge &- 1) / edge, rows = (height &+ edge &- 1) / edge
    var sample = first / (rows &* columns), rest = first % (rows &* columns)
    var row = rest / columns
    rest = rest % columns
    for i in 0..<count {
        positions[i] = TilePosition(sample: sample, row: row &* edge, column: rest &* edge)
        rest &+= 1
        if rest == columns {
            rest = 0
            row &+= 1
            if row == rows {
                row = 0
                sample &+= 1
            }
        }
    }
}

/// Vectors of work space that every transform may use.
let workVectors = 256

/// One task of a convolution: one group of tiles, one part of the output panels. Transforms the input unless that was done
/// for all tasks together.
@inline(never)
func convolve<S: Scheme>(_: S.Type, _ raw: UnsafeRawPointer, _ task: Int, _ thread: Int) {
    let a = raw.assumingMemoryBound(to: csimd_convolution.self).pointee
    let geometry = Geometry(a)
    let width = panelWidth(a.outputBlocks), panels = a.outputBlocks / width
    let group = task / a.outputParts, part = task % a.outputParts
    let first = group &* a.tileGroup, n = min(a.tileGroup, a.tiles &- first)
    let inputBlocks = a.inputBlocks, channels = inputBlocks &* 16
    let chunk = min(channelChunk / 2, inputBlocks)

    let scratch = vectors(a.scratch + thread &* a.scratchStride)
    let work = scratch
    let positions = UnsafeMutableRawPointer(work + workVectors).assumingMemoryBound(to: TilePosition.self)
    let own = work + workVectors + (a.tileGroup &* MemoryLayout<TilePosition>.stride &+ 63) / 64
    let inputStride = inputBlocks &* a.tileGroup &+ 1
    let transformedInput = a.transformedInput.map { vectors($0) } ?? own
    let products = a.transformedInput == nil ? own + S.frequencies &* inputStride : own
    let productStride = S.summed ? 0 : a.tileGroup &* width &+ 1
    let block = products + (S.summed ? a.tileGroup &* width &+ 1 : S.frequencies &* productStride)
    let blockStride = chunk &* 16 &* width &+ 1

    fillPositions(positions, first: first, count: n, height: a.height, width: a.width, edge: S.tileEdge)
    if a.transformedInput == nil {
        for c in 0..<inputBlocks {
            S.transformInput(
                vectors(a.input), block: c, sampleStride: a.inputStride / 16, geometry, positions, count: n,
                transformedInput + c &* a.tileGroup, frequencyStride: inputStride, work)
        }
    }
    let store = TileStore(a)
    for panel in (panels &* part / a.outputParts)..<(panels &* (part &+ 1) / a.outputParts) {
        if let transformed = a.transformed {
            let u = vectors(transformed) + panel &* S.frequencies &* channels &* width
            for f in 0..<S.frequencies {
                panelProduct(
                    tiles: n, width: width, blocks: inputBlocks, floats(transformedInput + f &* inputStride), a.tileGroup &* 16,
                    u + f &* channels &* width, products + f &* productStride, accumulate: S.summed && f > 0)
            }
        } else {
            var c = 0
            while c < inputBlocks {
                let m = min(chunk, inputBlocks &- c)
                S.transformWeights(
                    vectors(a.weights), rotated: a.rotated, inputBlocks: inputBlocks, outputBlocks: a.outputBlocks,
                    firstOutput: panel &* width, width: width, firstInput: c, inputs: m, geometry, block, frequencyStride: blockStride, work
                )
                for f in 0..<S.frequencies {
                    panelProduct(
                        tiles: n, width: width, blocks: m, floats(transformedInput + f &* inputStride + c &* a.tileGroup),
                        a.tileGroup &* 16,
                        block + f &* blockStride, products + f &* productStride, accumulate: c > 0 || (S.summed && f > 0))
                }
                c &+= m
            }
        }
        for v in 0..<width {
            for t in 0..<n {
                S.transformOutput(
                    products + (t &* width &+ v), frequencyStride: productStride, geometry, positions[t], store, block: panel &* width &+ v,
                    work)
            }
        }
    }
}

/// One task of the transform of the input for all tasks together: one block of channels, all tiles (a single group).
@inline(never)
func transformAllInput<S: Scheme>(_: S.Type, _ raw: UnsafeRawPointer, _ task: Int, _ thread: Int) {
    let a = raw.assumingMemoryBound(to: csimd_convolution.self).pointee
    let geometry = Geometry(a)
    let work = vectors(a.scratch + thread &* a.scratchStride)
    let positions = UnsafeMutableRawPointer(work + workVectors).assumingMemoryBound(to: TilePosition.self)
    fillPositions(positions, first: 0, count: a.tiles, height: a.height, width: a.width, edge: S.tileEdge)
    S.transformInput(
        vectors(a.input), block: task, sampleStride: a.inputStride / 16, geometry, positions, count: a.tiles,
        vectors(a.transformedInput) + task &* a.tileGroup, frequencyStride: a.inputBlocks &* a.tileGroup &+ 1, work)
}

/// One task of the weight transform: one output panel, all inputs, to `transformed`.
@inline(never)
func transformAllWeights<S: Scheme>(_: S.Type, _ raw: UnsafeRawPointer, _ task: Int, _ thread: Int) {
    let a = raw.assumingMemoryBound(to: csimd_convolution.self).pointee
    let geometry = Geometry(a)
    let width = panelWidth(a.outputBlocks), channels = a.inputBlocks &* 16
    let panels = a.outputBlocks / width
    if task >= panels { return }
    S.transformWeights(
        vectors(a.weights), rotated: a.rotated, inputBlocks: a.inputBlocks, outputBlocks: a.outputBlocks, firstOutput: task &* width,
        width: width, firstInput: 0, inputs: a.inputBlocks, geometry, vectors(a.transformed) + task &* S.frequencies &* channels &* width,
        frequencyStride: channels &* width, vectors(a.scratch + thread &* a.scratchStride))
}

/// First phase of a group of the weight gradient: task i transforms input block i, then the output blocks follow.
@inline(never)
func transformForGradient<S: Scheme>(_: S.Type, _ raw: UnsafeRawPointer, _ task: Int, _ thread: Int) {
    let a = raw.assumingMemoryBound(to: csimd_weight_gradient.self).pointee
    let geometry = Geometry(a)
    let width = panelWidth(a.outputBlocks)
    let first = a.group &* a.tileGroup, n = min(a.tileGroup, a.tiles &- first)
    let work = vectors(a.scratch + thread &* a.scratchStride)
    let positions = UnsafeMutableRawPointer(work + workVectors).assumingMemoryBound(to: TilePosition.self)
    fillPositions(positions, first: first, count: n, height: a.height, width: a.width, edge: S.tileEdge)
    if task < a.inputBlocks {
        S.transformInput(
            vectors(a.input), block: task, sampleStride: 0, geometry, positions, count: n,
            vectors(a.transformedInput) + task &* a.tileGroup, frequencyStride: a.inputBlocks &* a.tileGroup &+ 1, work)
    } else {
        let k = task &- a.inputBlocks, stride = a.tileGroup &* width &+ 1
        let sum = S.transformGradient(
            vectors(a.outputGradient), block: k, geometry, positions, count: n,
            vectors(a.transformedGradient) + (k / width &* S.frequencies &* stride &+ k % width), tileStride: width,
            frequencyStride: stride, work)
        if let bias = a.biasGradient {
            let b = vectors(bias) + k
            b.pointee = a.group == 0 ? sum : b.pointee + sum
        }
    }
}

/// Second phase: task = one panel of outputs times one chunk of inputs.
@inline(never)
func multiplyForGradient<S: Scheme>(_: S.Type, _ raw: UnsafeRawPointer, _ task: Int, _ thread: Int) {
    let a = raw.assumingMemoryBound(to: csimd_weight_gradient.self).pointee
    let geometry = Geometry(a)
    let width = panelWidth(a.outputBlocks)
    let chunks = (a.inputBlocks &+ a.inputChunk &- 1) / a.inputChunk
    let panel = task / chunks, c = task % chunks &* a.inputChunk, m = min(a.inputChunk, a.inputBlocks &- c)
    if panel >= a.outputBlocks / width { return }
    let first = a.group &* a.tileGroup, n = min(a.tileGroup, a.tiles &- first)
    let inputStride = a.inputBlocks &* a.tileGroup &+ 1, gradientStride = a.tileGroup &* width &+ 1
    let productStride = a.inputChunk &* 16 &* width &+ 1
    let work = vectors(a.scratch + thread &* a.scratchStride)
    let single = a.tiles <= a.tileGroup
    let products = single ? work + workVectors : vectors(a.products) + task &* S.frequencies &* productStride
    let input = vectors(a.transformedInput) + c &* a.tileGroup
    let gradient = vectors(a.transformedGradient) + panel &* S.frequencies &* gradientStride
    for f in 0..<S.frequencies {
        let p = floats(input + f &* inputStride), g = VectorPointer(gradient + f &* gradientStride)
        panelOuterProduct(
            depth: n, width: width, blocks: m, p, a.tileGroup &* 16, g, products + f &* productStride, accumulate: a.group > 0,
            p + inputStride &* 16, g + gradientStride, VectorPointer(products + (f &+ 1) &* productStride))
    }
    if first &+ n == a.tiles {
        for v in 0..<width {
            S.adjointWeights(
                products + v, frequencyStride: productStride, inputBlocks: a.inputBlocks, output: panel &* width &+ v, width: width,
                firstInput: c, inputs: m, geometry, vectors(a.weightGradient), work)
        }
    }
}
