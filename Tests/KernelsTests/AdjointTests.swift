import Kernels
import TestSupport
import Testing

/// ⟨A x, y⟩ = ⟨x, Aᵀ y⟩ for every operator that has a backward version.
@Suite struct AdjointTests {
    private func dot(_ a: [ReferenceImage<Double>], _ b: [ReferenceImage<Double>]) -> Double {
        zip(a, b).reduce(0) { sum, pair in sum + zip(pair.0.values, pair.1.values).reduce(0) { $0 + $1.0 * $1.1 } }
    }
    private func norm(_ a: [ReferenceImage<Double>]) -> Double { dot(a, a).squareRoot() }

    /// The output is linear in the input, in the weights and in the bias; each gradient is the adjoint of its map.
    @Test(arguments: ConvolutionCase.table, KernelVariant.available)
    func convolution(_ c: ConvolutionCase, _ variant: KernelVariant) {
        let results = ConvolutionResults(c, on: variant.device(threads: 2))
        let y = c.gradient, z = results.forward.images, bias = c.bias.map { Double($0) }
        for sample in 0..<c.batch {
            let pixels = c.outputHeight * c.outputWidth
            // Without the bias.
            var ax = z[sample]
            for k in 0..<c.outputs.channels {
                for p in 0..<pixels { ax.values[k * pixels + p] -= bias[k] }
            }
            let forward = dot([ax], [y[sample]])
            let size = norm([z[sample]]) * norm([y[sample]])

            let inputGradient = results.inputGradients[0].images[sample]
            let backward = dot([c.x[sample]], [inputGradient])
            let backwardSize = norm([c.x[sample]]) * norm([inputGradient])
            #expect(abs(forward - backward) <= c.forwardTolerance * size + c.inputGradientTolerance * backwardSize, "input")

            let indices = c.logicalIndices.all, gradient = results.weightGradients[sample]
            let weights = c.weights
            var product = 0.0, weightSquares = 0.0, gradientSquares = 0.0
            for (w, stored) in zip(weights, indices) {
                let w = Double(w), g = Double(gradient.pointer[stored])
                product += w * g
                weightSquares += w * w
                gradientSquares += g * g
            }
            #expect(
                abs(forward - product) <= c.forwardTolerance * size + c.weightGradientTolerance
                    * (weightSquares * gradientSquares).squareRoot(),
                "weights")

            var biasProduct = 0.0, whole = 0.0, biasSize = 0.0
            for k in 0..<c.outputs.channels {
                let g = Double(results.biasGradients[sample].pointer[c.outputs.lanes[k]])
                biasProduct += bias[k] * g
                biasSize += abs(bias[k] * g)
                for p in 0..<pixels { whole += bias[k] * y[sample].values[k * pixels + p] }
            }
            #expect(abs(biasProduct - whole) <= c.biasGradientTolerance * (biasSize + norm([y[sample]])), "bias")
        }
    }

    /// Pooling selects: on the input itself, the maxima weighted by y are the inputs weighted by the gradient. Exactly so, since nothing is rounded.
    @Test(arguments: KernelVariant.available) func maxPooling(_ variant: KernelVariant) {
        let device = variant.device(threads: 2), layout = ChannelLayout(20)
        let x = TestImages.random(layout, batch: 2, height: 9, width: 7, seed: 1),
            y = TestImages.random(layout, batch: 2, height: 4, width: 3, seed: 2)
        let input = TestTensor(layout, x), output = TestTensor(layout, batch: 2, height: 4, width: 3)
        let result = TestTensor(layout, batch: 2, height: 9, width: 7), outputGradient = TestTensor(layout, y)
        MaxPooling.forward(on: device, input: input.tensor, output: output.tensor)
        MaxPooling.backward(
            on: device, input: input.tensor, output: output.tensor, outputGradient: outputGradient.tensor,
            inputGradient: result.tensor,
            accumulate: false, mask: false)
        #expect(abs(dot(output.images, y) - dot(x, result.images)) <= 1e-12 * norm(x) * norm(y))
    }

    /// Dropout and copying are their own adjoints.
    @Test(arguments: KernelVariant.available) func dropoutAndCopy(_ variant: KernelVariant) {
        let device = variant.device(threads: 2), layout = ChannelLayout(20)
        let x = TestImages.random(layout, batch: 2, height: 9, width: 7, seed: 1),
            y = TestImages.random(layout, batch: 2, height: 9, width: 7, seed: 2)
        let dropout = Dropout(rate: 0.5, key: SIMD2(1, 2), ordinalWord: 3, firstPosition: 4)
        func map(_ images: [ReferenceImage<Double>], _ body: (Tensor, Tensor) -> Void) -> [ReferenceImage<Double>] {
            let input = TestTensor(layout, images), output = TestTensor(layout, batch: 2, height: 9, width: 7)
            body(input.tensor, output.tensor)
            return output.images
        }
        for body in [{ dropout.apply(on: device, $0, to: $1) }, { Elementwise.copy(on: device, $0, to: $1) }] as [(Tensor, Tensor) -> Void]
        {
            #expect(abs(dot(map(x, body), y) - dot(x, map(y, body))) <= 1e-12 * norm(x) * norm(y))
        }
    }
}

/// Images of test numbers.
enum TestImages {
    static func random(_ layout: ChannelLayout, batch: Int, height: Int, width: Int, seed: UInt64) -> [ReferenceImage<Double>] {
        (0..<batch).map { sample in
            ReferenceImage(
                channels: layout.channels, height: height, width: width,
                values: testNumbers(layout.channels * height * width, seed: seed + 1000 * UInt64(sample)).map { Double($0) })
        }
    }
}
