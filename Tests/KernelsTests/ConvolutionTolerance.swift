import Kernels

// How far single precision may be from the reference.
//
// A chain of n fused multiply-adds of independent terms rounds n partial sums, whose squares grow linearly; each rounding
// errs by 0.42 u of the partial sum in the root mean square (u = 2⁻²⁴, uniform rounding errors averaged over a binade).
// The error over the result's norm is therefore about 0.42 u √(n / 2) = 0.3 u √n. We allow twice that, and three
// roundings for what comes before and after.
//
// An algorithm that transforms has products larger than its results: their errors are amplified by
// κ = √(Σ errors' variance / Σ results' variance) for independent operands of equal variance, which is worked out below from
// the algorithm's matrices, borders included (a tile at the border has fewer terms that count, but as many products).
// κ of Winograd's F(4×4, 3×3) with our points is 4.8 in the interior, against √9 = 3 for the longer chain of the direct sum.

/// 1-D matrices of Winograd's F(4, 3) with points 0, ±5/8, ±3/2, ∞, written down independently of the kernels: y = Aᵀ((Gg) ∘ (Bᵀd)).
private enum Winograd43 {
    static let p = [0.625, -0.625, 1.5, -1.5]
    /// Bᵀ: row f has the coefficients of ∏ over the other points of (x − point); the last that of all points.
    static let data: [[Double]] = {
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
            return c + [Double](repeating: 0, count: 6 - c.count)
        }
        let points = [0] + p
        return points.indices.map { f in product(points.indices.filter { $0 != f }.map { points[$0] }) } + [product(points)]
    }()
    /// G: row f has the powers of point f over ∏ (point f − other points).
    static let weights: [[Double]] = {
        let points = [0] + p
        return points.map { x in
            let scale = points.filter { $0 != x }.reduce(1.0) { $0 * (x - $1) }
            return [1 / scale, x / scale, x * x / scale]
        } + [[0, 0, 1]]
    }()
    /// Aᵀ: row i has the i-th powers of the points.
    static let output: [[Double]] = (0..<4).map { i in
        ([0] + p).map { x in (0..<i).reduce(1.0) { power, _ in power * x } } + [i == 3 ? 1 : 0]
    }

    /// κ² of one dimension of an image of `length` pixels: the same for the output and for both gradients, since they are
    /// the three derivatives of one trilinear form.
    static func squaredAmplification(_ length: Int) -> Double {
        var errors = 0.0, results = 0.0
        for first in stride(from: 0, to: length, by: 4) {
            let inputs = (0..<6).filter { (0..<length).contains(first - 1 + $0) }, outputs = (0..<4).filter { first + $0 < length }
            for f in 0..<6 {
                let d = inputs.reduce(0.0) { $0 + data[f][$1] * data[f][$1] }
                let g = weights[f].reduce(0.0) { $0 + $1 * $1 }
                errors += outputs.reduce(0.0) { $0 + output[$1][f] * output[$1][f] } * d * g
            }
            for i in outputs { results += Double((0..<3).filter { (0..<length).contains(first + i - 1 + $0) }.count) }
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
            (0..<kernel).reduce(0) { $0 + max(0, length - abs($1 - (kernel - 1) / 2)) }
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
        0x1p-24 * amplification * (0.6 * Double(terms).squareRoot() + 3)
    }

    private var winogradAmplification: Double {
        (Winograd43.squaredAmplification(height) * Winograd43.squaredAmplification(width)).squareRoot()
    }
    /// Of upsampling and 2 × 2 convolution by four products: 3/2 in the interior (in one dimension variances 2 and 4 where 2 and 2
    /// are needed), and 5/3 for a single pixel.
    private static let upsampledAmplification = 5.0 / 3

    /// Allowed error of the output, over its norm.
    var forwardTolerance: Double {
        switch algorithm {
        case .winograd: tolerance(terms: inputs.channels, amplification: winogradAmplification)
        case .upsampled: tolerance(terms: 4 * inputs.channels, amplification: ConvolutionCase.upsampledAmplification)
        default: tolerance(terms: inputs.channels * taps, amplification: 1)
        }
    }
    /// Allowed error of the input's gradient. That of a gathered 3 × 3 convolution is computed by Winograd's algorithm.
    var inputGradientTolerance: Double {
        switch algorithm {
        case .winograd: tolerance(terms: outputs.channels, amplification: winogradAmplification)
        case .gathered where kernelHeight == 3 && kernelWidth == 3:
            tolerance(terms: outputs.channels, amplification: winogradAmplification)
        case .upsampled: tolerance(terms: 4 * outputs.channels, amplification: ConvolutionCase.upsampledAmplification)
        default: tolerance(terms: outputs.channels * taps, amplification: 1)
        }
    }
    /// Allowed error of the weights' gradient: chains over the tiles or pixels of a sample.
    var weightGradientTolerance: Double {
        switch algorithm {
        case .winograd: tolerance(terms: (height + 3) / 4 * ((width + 3) / 4), amplification: winogradAmplification)
        case .upsampled: tolerance(terms: height * width, amplification: ConvolutionCase.upsampledAmplification)
        default: tolerance(terms: height * width, amplification: 1)
        }
    }
    /// Allowed error of the bias' gradient: a sum over all pixels.
    var biasGradientTolerance: Double { tolerance(terms: outputHeight * outputWidth, amplification: 1) }
}
