import Kernels
import TestSupport
import Testing

/// ⟨A x, y⟩ = ⟨x, Aᵀ y⟩ for every operator that has a backward version.
@Suite struct AdjointTests {
    /// The output is linear in the input, in the weights and in the bias; each gradient is the adjoint of its map.
    @Test(arguments: ConvolutionCase.table, KernelVariant.available)
    func convolution(_ c: ConvolutionCase, _ variant: KernelVariant) {
        c.expectAdjoint(ConvolutionResults(c, on: variant.device(threads: 2)))
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

/// The sum of the products of all pixels.
func dot(_ a: [ReferenceImage<Double>], _ b: [ReferenceImage<Double>]) -> Double {
    zip(a, b).reduce(0) { sum, pair in sum + zip(pair.0.values, pair.1.values).reduce(0) { $0 + $1.0 * $1.1 } }
}
func norm(_ a: [ReferenceImage<Double>]) -> Double { dot(a, a).squareRoot() }

extension ConvolutionCase {
    /// Requires ⟨A x, y⟩ = ⟨x, Aᵀ y⟩ of the results, for the map of the input, that of the weights and that of the bias.
    func expectAdjoint(_ results: ConvolutionResults) {
        let x = x, y = gradient, z = results.forward.images, bias = bias.map { Double($0) }
        for sample in 0..<batch {
            let pixels = outputHeight * outputWidth
            // Without the bias.
            var ax = z[sample]
            for k in 0..<outputs.channels {
                for p in 0..<pixels { ax.values[k * pixels + p] -= bias[k] }
            }
            let forward = dot([ax], [y[sample]])
            let size = norm([z[sample]]) * norm([y[sample]])

            let inputGradient = results.inputGradients[0].images[sample]
            let backward = dot([x[sample]], [inputGradient])
            let backwardSize = norm([x[sample]]) * norm([inputGradient])
            #expect(
                abs(forward - backward) <= forwardTolerance * size + inputGradientTolerance * backwardSize, "input of \(testDescription)")

            let indices = logicalIndices.all, weightGradient = results.weightGradients[sample]
            var product = 0.0, weightSquares = 0.0, gradientSquares = 0.0
            for (w, stored) in zip(weights, indices) {
                let w = Double(w), g = Double(weightGradient.pointer[stored])
                product += w * g
                weightSquares += w * w
                gradientSquares += g * g
            }
            #expect(
                abs(forward - product) <= forwardTolerance * size + weightGradientTolerance
                    * (weightSquares * gradientSquares).squareRoot(),
                "weights of \(testDescription)")

            var biasProduct = 0.0, whole = 0.0, biasSize = 0.0
            for k in 0..<outputs.channels {
                let g = Double(results.biasGradients[sample].pointer[outputs.lanes[k]])
                biasProduct += bias[k] * g
                biasSize += abs(bias[k] * g)
                for p in 0..<pixels { whole += bias[k] * y[sample].values[k * pixels + p] }
            }
            #expect(abs(biasProduct - whole) <= biasGradientTolerance * (biasSize + norm([y[sample]])), "bias of \(testDescription)")
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
