import Kernels
import TestSupport
import Testing

/// ⟨A x, y⟩ = ⟨x, Aᵀ y⟩ for every convolution; `LayerPropertyTests` has the other operators with a backward version.
@Suite struct AdjointTests {
    /// The output is linear in the input, in the weights and in the bias; each gradient is the adjoint of its map.
    @Test(arguments: ConvolutionCase.table, KernelVariant.available)
    func convolution(_ c: ConvolutionCase, _ variant: KernelVariant) {
        c.expectAdjoint(ConvolutionResults(c, on: variant.device(threads: 2)))
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
