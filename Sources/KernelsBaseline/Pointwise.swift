import CSIMD

/// 1 × 1 convolution: a matrix product over pixels.
enum Pointwise: Scheme {
    @inline(__always) static var frequencies: Int { 1 }
    @inline(__always) static var summed: Bool { false }
    @inline(__always) static var tileEdge: Int { 1 }

    @inline(__always)
    static func transformInput(
        _ input: VectorPointer, block: Int, sampleStride: Int, _ g: Geometry, _ positions: UnsafePointer<TilePosition>, count: Int,
        _ result: MutableVectorPointer, frequencyStride: Int, _ work: MutableVectorPointer
    ) {
        for t in 0..<count {
            let p = positions[t]
            result[t] = input[p.sample &* sampleStride &+ (block &* g.height &+ p.row) &* g.width &+ p.column]
        }
    }

    @inline(__always)
    static func transformWeights(
        _ weights: VectorPointer, rotated: Bool, inputBlocks: Int, outputBlocks: Int, firstOutput: Int, width: Int, firstInput: Int,
        inputs: Int, _ g: Geometry, _ result: MutableVectorPointer, frequencyStride: Int, _ work: MutableVectorPointer
    ) {
        for c in 0..<inputs {
            for v in 0..<width {
                let target = result + (c &* 16 &* width &+ v)
                if rotated {
                    transpose16(weights + ((firstInput &+ c) &* outputBlocks &+ firstOutput &+ v) &* 16, work)
                    for i in 0..<16 { target[i &* width] = work[i] }
                } else {
                    let s = weights + ((firstOutput &+ v) &* inputBlocks &+ firstInput &+ c) &* 16
                    for i in 0..<16 { target[i &* width] = s[i] }
                }
            }
        }
    }

    @inline(__always)
    static func transformOutput(
        _ m: VectorPointer, frequencyStride: Int, _ g: Geometry, _ position: TilePosition, _ store: TileStore, block: Int,
        _ work: MutableVectorPointer
    ) {
        store(
            m[0] + store.biasVector(block), sample: position.sample, plane: block &* g.height &* g.width,
            pixel: position.row &* g.width &+ position.column)
    }

    @inline(__always)
    static func transformGradient(
        _ gradient: VectorPointer, block: Int, _ g: Geometry, _ positions: UnsafePointer<TilePosition>, count: Int,
        _ result: MutableVectorPointer, tileStride: Int, frequencyStride: Int, _ work: MutableVectorPointer
    ) -> Vector {
        var sum = Vector.zero
        for t in 0..<count {
            let v = gradient[(block &* g.height &+ positions[t].row) &* g.width &+ positions[t].column]
            result[t &* tileStride] = v
            sum += v
        }
        return sum
    }

    @inline(__always)
    static func adjointWeights(
        _ products: VectorPointer, frequencyStride: Int, inputBlocks: Int, output: Int, width: Int, firstInput: Int, inputs: Int,
        _ g: Geometry, _ result: MutableVectorPointer, _ work: MutableVectorPointer
    ) {
        for c in 0..<(inputs &* 16) {
            result[(output &* inputBlocks &+ firstInput &+ c / 16) &* 16 &+ c % 16] = products[c &* width]
        }
    }
}

/// A convolution of a few input channels (a gray or RGB image): the taps of all channels are gathered into the lanes of
/// one or two vectors, and the rest is a product over pixels. Element q of a gathered pixel is (tap q / channels,
/// channel q mod channels); `inputBlocks` counts the gathered blocks, the input has one block of its own.
enum Gathered: Scheme {
    @inline(__always) static var frequencies: Int { 1 }
    @inline(__always) static var summed: Bool { false }
    @inline(__always) static var tileEdge: Int { 1 }

    @inline(__always)
    static func transformInput(
        _ input: VectorPointer, block: Int, sampleStride: Int, _ g: Geometry, _ positions: UnsafePointer<TilePosition>, count: Int,
        _ result: MutableVectorPointer, frequencyStride: Int, _ work: MutableVectorPointer
    ) {
        let elements = min(16, g.kernelHeight &* g.kernelWidth &* g.channels &- block &* 16)
        for t in 0..<count { result[t] = .zero }
        // Tiles follow one another along the rows: each row's run of them is a run of inputs for every tap.
        var first = 0
        while first < count {
            let p = positions[first], end = min(count, first &+ g.width &- p.column)
            for e in 0..<elements {
                let q = block &* 16 &+ e, tap = q / g.channels, channel = q % g.channels
                let y = p.row &+ tap / g.kernelWidth &- g.top, dx = tap % g.kernelWidth &- g.left
                if y < 0 || y >= g.inputHeight { continue }
                let from = max(first, first &- p.column &- dx), to = min(end, first &+ g.inputWidth &- p.column &- dx)
                if from >= to { continue }
                var source = floats(input + (p.sample &* sampleStride &+ y &* g.inputWidth &+ p.column &+ dx &+ from &- first)) + channel
                var target = UnsafeMutableRawPointer(result + from).assumingMemoryBound(to: Float.self) + e
                for _ in from..<to {
                    target.pointee = source.pointee
                    source += 16
                    target += 16
                }
            }
            first = end
        }
    }

    @inline(__always)
    static func transformWeights(
        _ weights: VectorPointer, rotated: Bool, inputBlocks: Int, outputBlocks: Int, firstOutput: Int, width: Int, firstInput: Int,
        inputs: Int, _ g: Geometry, _ result: MutableVectorPointer, frequencyStride: Int, _ work: MutableVectorPointer
    ) {
        let taps = g.kernelHeight &* g.kernelWidth
        for v in 0..<width {
            for e in 0..<(inputs &* 16) {
                let q = firstInput &* 16 &+ e
                let w =
                    q < taps &* g.channels
                    ? weights[((firstOutput &+ v) &* taps &+ q / g.channels) &* 16 &+ q % g.channels] : .zero
                result[e &* width &+ v] = w
            }
        }
    }

    @inline(__always)
    static func transformOutput(
        _ m: VectorPointer, frequencyStride: Int, _ g: Geometry, _ position: TilePosition, _ store: TileStore, block: Int,
        _ work: MutableVectorPointer
    ) {
        Pointwise.transformOutput(m, frequencyStride: frequencyStride, g, position, store, block: block, work)
    }

    @inline(__always)
    static func transformGradient(
        _ gradient: VectorPointer, block: Int, _ g: Geometry, _ positions: UnsafePointer<TilePosition>, count: Int,
        _ result: MutableVectorPointer, tileStride: Int, frequencyStride: Int, _ work: MutableVectorPointer
    ) -> Vector {
        Pointwise.transformGradient(
            gradient, block: block, g, positions, count: count, result, tileStride: tileStride, frequencyStride: frequencyStride, work)
    }

    @inline(__always)
    static func adjointWeights(
        _ products: VectorPointer, frequencyStride: Int, inputBlocks: Int, output: Int, width: Int, firstInput: Int, inputs: Int,
        _ g: Geometry, _ result: MutableVectorPointer, _ work: MutableVectorPointer
    ) {
        let taps = g.kernelHeight &* g.kernelWidth, target = result + output &* taps &* 16
        for tap in 0..<taps {
            for channel in 0..<16 {
                let q = tap &* g.channels &+ channel &- firstInput &* 16
                if channel >= g.channels {
                    if firstInput == 0 { target[tap &* 16 &+ channel] = .zero }
                } else if q >= 0 && q < inputs &* 16 {
                    target[tap &* 16 &+ channel] = products[q &* width]
                }
            }
        }
    }
}
