import Kernels

// How far single precision may be from the reference.
//
// A chain of n fused multiply-adds of independent terms rounds n partial sums, whose squares grow linearly; each rounding
// errs by 0.42 u of the partial sum in the root mean square (u = 2⁻²⁴, uniform rounding errors averaged over a binade).
// The error over the result's norm is therefore about 0.42 u √(n / 2) = 0.3 u √n. We allow twice that, and three
// roundings for what comes before and after (four where the transforms are as long as those of F(6×6, 3×3)).
//
// An algorithm that transforms has products larger than its results: their errors are amplified by
// κ = √(Σ errors' variance / Σ results' variance) for independent operands of equal variance, which is worked out below from
// the algorithm's matrices, borders included (a tile at the border has fewer terms that count, but as many products).
// κ of Winograd's F(4×4, 3×3) with our points is 4.8 in the interior, that of F(6×6, 3×3) 21, against √9 = 3 for the longer
// chain of the direct sum.

/// 1-D matrices of Winograd's F(m, 3), written down independently of the kernels: y = Aᵀ((Gg) ∘ (Bᵀd)).
private struct WinogradMatrices {
    /// Bᵀ: row f has the coefficients of ∏ over the other points of (x − point); the last that of all points.
    let data: [[Double]]
    /// G: row f has the powers of point f over ∏ (point f − other points).
    let weights: [[Double]]
    /// Aᵀ: row i has the i-th powers of the points.
    let output: [[Double]]

    static let winograd4 = WinogradMatrices(points: [0, 0.625, -0.625, 1.5, -1.5])
    static let winograd6 = WinogradMatrices(points: [0, 0.5, -0.5, 1, -1, 2, -2])

    /// From all points but ∞.
    init(points: [Double]) {
        let n = points.count + 1
        func product(_ roots: [Double]) -> [Double] {
            var c = [1.0]
            for r in roots {
                var next = [Double](repeating: 0, count: c.count + 1)
                for i in c.indices {
                    next[i] -= r * c[i]
                    next[i + 1] += c[i]
                }
                c = next
            }
            return c + [Double](repeating: 0, count: n - c.count)
        }
        data = points.indices.map { f in product(points.indices.filter { $0 != f }.map { points[$0] }) } + [product(points)]
        weights =
            points.map { x in
                let scale = points.filter { $0 != x }.reduce(1.0) { $0 * (x - $1) }
                return [1 / scale, x / scale, x * x / scale]
            } + [[0, 0, 1]]
        output = (0..<(n - 2)).map { i in points.map { x in (0..<i).reduce(1.0) { power, _ in power * x } } + [i == n - 3 ? 1 : 0] }
    }

    /// κ² of one dimension of `length` outputs made of `inputLength` pixels with `front` zeros in front: the same for the output and the
    /// weights' gradient, since they are derivatives of one trilinear form.
    func squaredAmplification(_ length: Int, inputLength: Int, front: Int) -> Double {
        var errors = 0.0, results = 0.0
        let n = data.count, m = n - 2
        for first in stride(from: 0, to: length, by: m) {
            let inputs = (0..<n).filter { (0..<inputLength).contains(first - front + $0) }, outputs = (0..<m).filter { first + $0 < length }
            for f in 0..<n {
                let d = inputs.reduce(0.0) { $0 + data[f][$1] * data[f][$1] }
                let g = weights[f].reduce(0.0) { $0 + $1 * $1 }
                errors += outputs.reduce(0.0) { $0 + output[$1][f] * output[$1][f] } * d * g
            }
            for i in outputs { results += Double((0..<3).filter { (0..<inputLength).contains(first + i - front + $0) }.count) }
        }
        return errors / results
    }
}

extension ConvolutionCase {
    /// Norm of the difference over the norm of the reference, or over the norm that independent operands in [-1, 1) would give
    /// where that is larger: a result of a few numbers may be small by chance, its rounding errors are not.
    func error(_ values: [Double], _ reference: [Double], expectedNorm: Double) -> Double {
        precondition(values.count == reference.count, "error: \(values.count) values against \(reference.count)")
        var difference = 0.0, norm = 0.0
        for i in values.indices {
            difference += (values[i] - reference[i]) * (values[i] - reference[i])
            norm += reference[i] * reference[i]
        }
        return difference.squareRoot() / max(norm.squareRoot(), expectedNorm)
    }

    /// Products w · x of one pair of channels that do not fall into the zeros around the image.
    private var products: Int {
        func inside(_ length: Int, _ kernel: Int) -> Int {
            switch kind {
            case .valid: length * kernel
            case .transposed: length
            default: (0..<kernel).reduce(0) { $0 + max(0, length - abs($1 - (kernel - 1) / 2)) }
            }
        }
        return inside(outputHeight, kernelHeight) * inside(outputWidth, kernelWidth)
    }
    /// Norms to be expected of the results that are compared, products having variance 1/9.
    var expectedForwardNorm: Double { expectedNorm(checkedOutputs.count * inputs.channels * products) }
    var expectedInputGradientNorm: Double { expectedNorm(outputs.channels * checkedInputs.count * products) }
    var expectedWeightGradientNorm: Double { expectedNorm(checkedOutputs.count * checkedInputs.count * products) }
    var expectedBiasGradientNorm: Double { (Double(checkedOutputs.count * outputHeight * outputWidth) / 3).squareRoot() }
    private func expectedNorm(_ products: Int) -> Double { (Double(products) / 9).squareRoot() }

    private func tolerance(terms: Int, amplification: Double) -> Double {
        0x1p-24 * amplification * (0.6 * Double(terms).squareRoot() + (algorithm == .winograd6 ? 4 : 3))
    }

    /// Of the output and the weights' gradient, whose tiles are the output's.
    private func amplification(_ matrices: WinogradMatrices) -> Double {
        (matrices.squaredAmplification(outputHeight, inputLength: height, front: top)
            * matrices.squaredAmplification(outputWidth, inputLength: width, front: left)).squareRoot()
    }
    /// Of the input's gradient.
    private func adjointAmplification(_ matrices: WinogradMatrices) -> Double {
        (matrices.squaredAmplification(height, inputLength: outputHeight, front: 2 - top)
            * matrices.squaredAmplification(width, inputLength: outputWidth, front: 2 - left)).squareRoot()
    }
    /// Of upsampling and 2 × 2 convolution by four products: 3/2 in the interior (in one dimension variances 2 and 4 where 2 and 2
    /// are needed), and 5/3 for a single pixel.
    private static let upsampledAmplification = 5.0 / 3

    /// Allowed error of the output, over its norm.
    var forwardTolerance: Double {
        switch algorithm {
        case .winograd4: tolerance(terms: inputs.channels, amplification: amplification(.winograd4))
        case .winograd6: tolerance(terms: inputs.channels, amplification: amplification(.winograd6))
        case .upsampled: tolerance(terms: 4 * inputs.channels, amplification: ConvolutionCase.upsampledAmplification)
        case .transposed: tolerance(terms: inputs.channels, amplification: 1)
        default: tolerance(terms: inputs.channels * taps, amplification: 1)
        }
    }
    /// Allowed error of the input's gradient. That of a gathered 3 × 3 convolution is computed by Winograd's algorithm.
    var inputGradientTolerance: Double {
        switch algorithm {
        case .winograd4: tolerance(terms: outputs.channels, amplification: adjointAmplification(.winograd4))
        case .winograd6: tolerance(terms: outputs.channels, amplification: adjointAmplification(.winograd6))
        case .gathered where kernelHeight == 3 && kernelWidth == 3:
            tolerance(terms: outputs.channels, amplification: max(adjointAmplification(.winograd4), adjointAmplification(.winograd6)))
        case .upsampled: tolerance(terms: 4 * outputs.channels, amplification: ConvolutionCase.upsampledAmplification)
        default: tolerance(terms: outputs.channels * taps, amplification: 1)
        }
    }
    /// Allowed error of the weights' gradient: chains over the tiles or pixels of a sample.
    var weightGradientTolerance: Double {
        switch algorithm {
        case .winograd4: tolerance(terms: (outputHeight + 3) / 4 * ((outputWidth + 3) / 4), amplification: amplification(.winograd4))
        case .winograd6: tolerance(terms: (outputHeight + 5) / 6 * ((outputWidth + 5) / 6), amplification: amplification(.winograd6))
        case .upsampled: tolerance(terms: height * width, amplification: ConvolutionCase.upsampledAmplification)
        default: tolerance(terms: height * width, amplification: 1)
        }
    }
    /// Allowed error of the bias' gradient: a sum over all pixels.
    var biasGradientTolerance: Double { tolerance(terms: outputHeight * outputWidth, amplification: 1) }
}
