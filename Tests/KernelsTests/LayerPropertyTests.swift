import Kernels
import TestSupport
import Testing

/// Laws that hold for what lies between convolutions, on shapes drawn at random from the seeds of `ConvolutionPropertyTests`.
@Suite struct LayerPropertyTests {
    @Test("⟨Ax, y⟩ = ⟨x, Aᵀy⟩, and the same bits on 1 to 8 threads", arguments: ConvolutionPropertyTests.seeds, KernelVariant.available)
    func adjoint(_ seed: UInt64, _ variant: KernelVariant) {
        let shape = LayerShape(seed: seed)
        for (map, alone) in zip(shape.maps(on: variant.device(threads: shape.threads)), shape.maps(on: variant.device())) {
            let ax = map.forward(map.x), aty = map.gradient(map.y)
            let size = norm(ax) * norm(map.y) + norm(map.x) * norm(aty)
            #expect(abs(dot(ax, map.y) - dot(map.x, aty)) <= map.tolerance * size, "\(map.what) of \(shape)")
            #expect(norm(ax) > 0 && norm(aty) > 0, "\(map.what) of \(shape): nothing came out")
            #expect(ax == alone.forward(map.x) && aty == alone.gradient(map.y), "\(map.what) of \(shape) on one thread")
        }
    }

    /// A sum goes to the sum of the outputs; what is twice as large to what is twice as large, to the last bit.
    @Test(arguments: ConvolutionPropertyTests.seeds, KernelVariant.available) func linearity(_ seed: UInt64, _ variant: KernelVariant) {
        let shape = LayerShape(seed: seed)
        for map in shape.maps(on: variant.device(threads: shape.threads)) {
            for (x, apply) in [(map.x, map.forward), (map.y, map.gradient)] {
                expectLinear(apply, on: x, seed: seed, "\(map.what) of \(shape)") { whole, _, _ in map.tolerance * norm([whole]) }
            }
        }
    }

    /// What is moved by two pixels moves in the maxima by one.
    @Test(arguments: ConvolutionPropertyTests.seeds, KernelVariant.available) func shiftOfMaxPooling(
        _ seed: UInt64, _ variant: KernelVariant
    ) {
        let shape = LayerShape(seed: seed), device = variant.device(threads: shape.threads)
        let top = (shape.height - shape.smallHeight) / 2, left = (shape.width - shape.smallWidth) / 2
        let x = shape.images(shape.layout, shape.height, shape.width, 1)
        func pooled(_ images: [ReferenceImage<Double>]) -> [ReferenceImage<Double>] {
            shape.result(images, height: images[0].height / 2, width: images[0].width / 2) {
                MaxPooling.forward(on: device, input: $0, output: $1)
            }
        }
        let moved = pooled(
            x.map {
                Reference.crop(
                    $0, top: top / 2 * 2, left: left / 2 * 2, height: shape.height - top / 2 * 2, width: shape.width - left / 2 * 2)
            })
        let maxima = pooled(x).map {
            Reference.crop($0, top: top / 2, left: left / 2, height: shape.height / 2 - top / 2, width: shape.width / 2 - left / 2)
        }
        #expect(moved == maxima, "\(shape), moved by \(top / 2) and \(left / 2)")
    }

    /// The derivative of a gate's output with respect to the gate, from the reference in double precision, and the gradient.
    @Test(arguments: ConvolutionPropertyTests.seeds, KernelVariant.available) func gate(_ seed: UInt64, _ variant: KernelVariant) {
        let shape = LayerShape(seed: seed), one = ChannelLayout(1), h = 1e-4
        let x = shape.images(shape.layout, shape.height, shape.width, 1), q = shape.images(one, shape.height, shape.width, 2)
        let y = shape.images(shape.layout, shape.height, shape.width, 3), v = shape.images(one, shape.height, shape.width, 4)
        let input = TestTensor(shape.layout, x), gate = TestTensor(one, q), outputGradient = TestTensor(shape.layout, y)
        let result = TestTensor(one, batch: shape.batch, height: shape.height, width: shape.width, strided: true)
        Connections.gateGradient(
            on: variant.device(threads: shape.threads), input.tensor, by: gate.tensor, outputGradient: outputGradient.tensor, ofInput: nil,
            ofGate: .init(result.tensor, accumulate: false, mask: false))
        #expect([input, gate, outputGradient, result].allSatisfy(\.surroundingsIntact) && result.strayLanes == 0)
        let change = (0..<shape.batch).map { sample in
            let ends = [h, -h].map { step in
                var moved = q[sample]
                for i in moved.values.indices { moved.values[i] += step * v[sample].values[i] }
                return Reference.gate(x[sample], by: moved)
            }
            var change = ends[0]
            for i in change.values.indices { change.values[i] = (ends[0].values[i] - ends[1].values[i]) / (2 * h) }
            return change
        }
        let size = norm(change) * norm(y) + norm(v) * norm(result.images)
        #expect(abs(dot(change, y) - dot(v, result.images)) <= 1e-6 * size, "\(shape)")
    }
}

/// A shape drawn from a seed, and the linear maps on images of this shape.
struct LayerShape: CustomStringConvertible {
    typealias Image = ReferenceImage<Double>

    let seed: UInt64
    let layout: ChannelLayout
    let batch, height, width, smallHeight, smallWidth, threads: Int

    init(seed: UInt64) {
        var numbers = DrawnNumbers(seed: seed)
        self.seed = seed
        layout = ChannelLayout(parts: (0..<numbers.draw(1...3)).map { _ in numbers.draw(3...40) })
        (height, width, batch) = (numbers.draw(2...30), numbers.draw(2...30), numbers.draw(1...3))
        (smallHeight, smallWidth, threads) = (numbers.draw(1...height), numbers.draw(1...width), numbers.draw(1...8))
    }

    var description: String {
        "\(layout.parts) channels at \(height)×\(width), cut to \(smallHeight)×\(smallWidth), batch \(batch), \(threads) threads, seed \(seed)"
    }

    /// A linear map with images for both of its sides. Its products are exact in double precision, the results are not.
    struct Map {
        let what: String, x: [Image], y: [Image]
        var tolerance = 0x1p-22
        let forward: ([Image]) -> [Image], gradient: ([Image]) -> [Image]
    }

    func images(_ layout: ChannelLayout, _ height: Int, _ width: Int, _ number: UInt64) -> [Image] {
        TestImages.random(layout, batch: batch, height: height, width: width, seed: seed &* 10 + number)
    }

    /// What `body` writes to a tensor of this size; it must write to nothing else.
    func result(_ images: [Image], height: Int? = nil, width: Int? = nil, _ body: (Tensor, Tensor) -> Void) -> [Image] {
        let input = TestTensor(layout, images, strided: true)
        let output = TestTensor(layout, batch: batch, height: height ?? self.height, width: width ?? self.width, strided: true)
        body(input.tensor, output.tensor)
        #expect(input.surroundingsIntact && output.surroundingsIntact && output.strayLanes == 0)
        return output.images
    }

    func maps(on device: Device) -> [Map] {
        let x = images(layout, height, width, 1), y = images(layout, height, width, 2)
        return [copy(x, y, device), sum(x, y, device), crop(x, device), dropout(x, y, device), gate(x, y, device), scale(x, y, device)]
            + [maxPooling(device)]
    }

    private func copy(_ x: [Image], _ y: [Image], _ device: Device) -> Map {
        func copy(_ images: [Image]) -> [Image] { result(images) { Elementwise.copy(on: device, $0, to: $1) } }
        return Map(what: "copy", x: x, y: y, forward: copy, gradient: copy)
    }

    /// Of the first half of the images and the second.
    private func sum(_ x: [Image], _ y: [Image], _ device: Device) -> Map {
        Map(
            what: "sum", x: x + images(layout, height, width, 3), y: y,
            forward: { images in
                let second = TestTensor(layout, Array(images[batch...]))
                defer { #expect(second.surroundingsIntact) }
                return result(Array(images[..<batch])) { Connections.sum(on: device, $0, second.tensor, to: $1, relu: false) }
            },
            gradient: { images in
                let copies = result(images) { Elementwise.copy(on: device, $0, to: $1) }
                return copies + copies
            })
    }

    private func crop(_ x: [Image], _ device: Device) -> Map {
        Map(
            what: "crop", x: x, y: images(layout, smallHeight, smallWidth, 4),
            forward: { result($0, height: smallHeight, width: smallWidth) { Connections.crop(on: device, $0, to: $1) } },
            gradient: { result($0) { Connections.cropGradient(on: device, $0, to: $1, accumulate: false, mask: nil) } })
    }

    private func dropout(_ x: [Image], _ y: [Image], _ device: Device) -> Map {
        let dropout = Dropout(rate: 0.3, key: SIMD2(1, 2), ordinalWord: 3, firstPosition: seed)
        func apply(_ images: [Image]) -> [Image] { result(images) { dropout.apply(on: device, $0, to: $1) } }
        return Map(what: "dropout", x: x, y: y, forward: apply, gradient: apply)
    }

    /// Linear in what is gated.
    private func gate(_ x: [Image], _ y: [Image], _ device: Device) -> Map {
        let gate = TestTensor(ChannelLayout(1), images(ChannelLayout(1), height, width, 5))
        return Map(
            what: "gate", x: x, y: y,
            forward: {
                defer { #expect(gate.surroundingsIntact) }
                return result($0) { Connections.gate(on: device, $0, by: gate.tensor, to: $1) }
            },
            gradient: {
                let input = TestTensor(layout, x)
                defer { #expect(gate.surroundingsIntact && input.surroundingsIntact) }
                return result($0) {
                    Connections.gateGradient(
                        on: device, input.tensor, by: gate.tensor, outputGradient: $0, ofInput: .init($1, accumulate: false, mask: false),
                        ofGate: nil)
                }
            })
    }

    /// Normalisation with statistics that are given: what batch normalisation does at inference.
    private func scale(_ x: [Image], _ y: [Image], _ device: Device) -> Map {
        let shape = Shape(batch: batch, blocks: layout.blocks, height: height, width: width)
        let scratch = TestMemory([Float](repeating: 0, count: ChannelNormalization.scratchCount(shape)))
        let factors = testNumbers(batch * layout.channels, seed: seed + 6)
        for sample in 0..<batch {
            for (channel, lane) in layout.lanes.enumerated() {
                ChannelNormalization.set(
                    .init(mean: 0, factors[sample * layout.channels + channel], 0), sample: sample, lane: lane, of: shape,
                    in: scratch.pointer)
            }
        }
        return Map(
            what: "normalisation", x: x, y: y,
            forward: {
                defer { #expect(scratch.guardsIntact) }
                return result($0) { ChannelNormalization.apply(on: device, $0, to: $1, relu: false, scratch: scratch.pointer) }
            },
            gradient: {
                let input = TestTensor(layout, x)
                defer { #expect(scratch.guardsIntact && input.surroundingsIntact) }
                return result($0) {
                    ChannelNormalization.applyGradient(
                        on: device, input.tensor, $0, to: $1, accumulate: false, mask: nil, scratch: scratch.pointer)
                }
            })
    }

    /// The derivative of the maxima: no two pixels of a channel differ by less than 8, and what is added is less than 4, so that each maximum
    /// stays where it is; all are whole numbers, so that nothing is rounded.
    private func maxPooling(_ device: Device) -> Map {
        let pixels = height * width
        let x = images(layout, height, width, 7).map { image in
            var image = image
            for channel in 0..<layout.channels {
                let plane = channel * pixels..<(channel + 1) * pixels
                for (rank, i) in plane.sorted(by: { image.values[$0] < image.values[$1] }).enumerated() {
                    image.values[i] = Double(8 * (rank - pixels / 2))
                }
            }
            return image
        }
        func maxima(_ images: [Image]) -> [Image] {
            result(images, height: height / 2, width: width / 2) { MaxPooling.forward(on: device, input: $0, output: $1) }
        }
        func combined(_ a: [Image], _ b: [Image], _ body: (Double, Double) -> Double) -> [Image] {
            zip(a, b).map {
                Image(channels: $0.channels, height: $0.height, width: $0.width, values: zip($0.values, $1.values).map(body))
            }
        }
        let atX = maxima(x)
        return Map(
            what: "derivative of maximum pooling",
            x: images(layout, height, width, 8).map { image in
                Image(channels: image.channels, height: height, width: width, values: image.values.map { $0 > 0 ? 1 : -1 })
            },
            y: images(layout, height / 2, width / 2, 9),
            forward: { combined(maxima(combined(x, $0, +)), atX, -) },
            gradient: {
                let input = TestTensor(layout, x), output = TestTensor(layout, atX)
                defer { #expect(input.surroundingsIntact && output.surroundingsIntact) }
                return result($0) {
                    MaxPooling.backward(
                        on: device, input: input.tensor, output: output.tensor, outputGradient: $0, inputGradient: $1, accumulate: false,
                        mask: false)
                }
            })
    }
}
