import Foundation

/// One sample, `[channels][height][width]`, as the naive reference operations see it.
public struct ReferenceImage<Scalar: BinaryFloatingPoint & Sendable>: Equatable, Sendable {
    /// Number of channels.
    public var channels: Int
    /// Rows.
    public var height: Int
    /// Columns.
    public var width: Int
    /// The values, planar.
    public var values: [Scalar]

    /// An image of the given values, or of zeros.
    @inlinable
    public init(channels: Int, height: Int, width: Int, values: [Scalar]? = nil) {
        self.channels = channels
        self.height = height
        self.width = width
        self.values = values ?? Array(repeating: 0, count: channels * height * width)
        precondition(
            self.values.count == channels * height * width,
            "ReferenceImage: \(self.values.count) values for \(channels) × \(height) × \(width)")
    }

    /// The value at a position; zero outside the image.
    @inlinable
    public subscript(channel: Int, row: Int, column: Int) -> Scalar {
        get { row >= 0 && row < height && column >= 0 && column < width ? values[(channel * height + row) * width + column] : 0 }
        set { values[(channel * height + row) * width + column] = newValue }
    }
}

/// The kernels' specification: the slow, obvious version of every operation, in any precision, one sample at a time.
/// All of it is inlinable, since an unspecialised generic would be a hundred times slower in another module.
public enum Reference<Scalar: BinaryFloatingPoint & Sendable> {
    /// An image in this precision.
    public typealias Image = ReferenceImage<Scalar>

    /// y[k](i, j) = b[k] + Σ w[k][c][a][b'] x[c](i + a − top, j + b' − left): cross-correlation with stride 1 and "same"
    /// padding, top = (kernelHeight − 1) / 2 rounded down, left likewise. `weights` are [outputs][inputs][height][width].
    @inlinable
    public static func convolution(_ x: Image, weights: [Scalar], bias: [Scalar], kernelHeight: Int, kernelWidth: Int) -> Image {
        var y = Image(channels: bias.count, height: x.height, width: x.width)
        for k in 0..<y.channels {
            for i in 0..<y.height {
                for j in 0..<y.width {
                    var sum = bias[k]
                    forEachTap(x.channels, k, kernelHeight, kernelWidth) { w, c, di, dj in sum += weights[w] * x[c, i + di, j + dj] }
                    y[k, i, j] = sum
                }
            }
        }
        return y
    }

    /// The gradient of `convolution` with respect to x.
    @inlinable
    public static func convolutionInputGradient(
        _ gradient: Image, weights: [Scalar], inputChannels: Int, kernelHeight: Int, kernelWidth: Int
    ) -> Image {
        var result = Image(channels: inputChannels, height: gradient.height, width: gradient.width)
        for k in 0..<gradient.channels {
            for i in 0..<gradient.height {
                for j in 0..<gradient.width {
                    forEachTap(inputChannels, k, kernelHeight, kernelWidth) { w, c, di, dj in
                        let row = i + di, column = j + dj
                        if row >= 0 && row < result.height && column >= 0 && column < result.width {
                            result[c, row, column] += weights[w] * gradient[k, i, j]
                        }
                    }
                }
            }
        }
        return result
    }

    /// The gradients of `convolution` with respect to weights and bias.
    @inlinable
    public static func convolutionWeightGradient(_ x: Image, _ gradient: Image, kernelHeight: Int, kernelWidth: Int) -> (
        weights: [Scalar], bias: [Scalar]
    ) {
        var weights = [Scalar](repeating: 0, count: gradient.channels * x.channels * kernelHeight * kernelWidth)
        var bias = [Scalar](repeating: 0, count: gradient.channels)
        for k in 0..<gradient.channels {
            for i in 0..<gradient.height {
                for j in 0..<gradient.width {
                    bias[k] += gradient[k, i, j]
                    forEachTap(x.channels, k, kernelHeight, kernelWidth) { w, c, di, dj in
                        weights[w] += x[c, i + di, j + dj] * gradient[k, i, j]
                    }
                }
            }
        }
        return (weights, bias)
    }

    @inlinable
    static func forEachTap(
        _ inputChannels: Int, _ k: Int, _ kernelHeight: Int, _ kernelWidth: Int,
        _ body: (_ weight: Int, _ channel: Int, _ di: Int, _ dj: Int) -> Void
    ) {
        for c in 0..<inputChannels {
            for a in 0..<kernelHeight {
                for b in 0..<kernelWidth {
                    body(
                        ((k * inputChannels + c) * kernelHeight + a) * kernelWidth + b, c, a - (kernelHeight - 1) / 2,
                        b - (kernelWidth - 1) / 2)
                }
            }
        }
    }

    /// Transposed convolution with a 2 × 2 kernel and stride 2: y[k](2i + a, 2j + b) = b[k] + Σ w[k][c][a][b] x[c](i, j). `weights` are
    /// [outputs][inputs][2][2], as those of `convolution` (PyTorch has the inputs first).
    @inlinable
    public static func transposedConvolution(_ x: Image, weights: [Scalar], bias: [Scalar]) -> Image {
        var y = Image(channels: bias.count, height: 2 * x.height, width: 2 * x.width)
        for k in 0..<y.channels {
            for i in 0..<y.height {
                for j in 0..<y.width {
                    var sum = bias[k]
                    for c in 0..<x.channels { sum += weights[((k * x.channels + c) * 2 + i % 2) * 2 + j % 2] * x[c, i / 2, j / 2] }
                    y[k, i, j] = sum
                }
            }
        }
        return y
    }

    /// The gradient of `transposedConvolution` with respect to x.
    @inlinable
    public static func transposedConvolutionInputGradient(_ gradient: Image, weights: [Scalar], inputChannels: Int) -> Image {
        var result = Image(channels: inputChannels, height: gradient.height / 2, width: gradient.width / 2)
        for k in 0..<gradient.channels {
            for i in 0..<gradient.height {
                for j in 0..<gradient.width {
                    for c in 0..<inputChannels {
                        result[c, i / 2, j / 2] += weights[((k * inputChannels + c) * 2 + i % 2) * 2 + j % 2] * gradient[k, i, j]
                    }
                }
            }
        }
        return result
    }

    /// The gradients of `transposedConvolution` with respect to weights and bias.
    @inlinable
    public static func transposedConvolutionWeightGradient(_ x: Image, _ gradient: Image) -> (weights: [Scalar], bias: [Scalar]) {
        var weights = [Scalar](repeating: 0, count: gradient.channels * x.channels * 4)
        var bias = [Scalar](repeating: 0, count: gradient.channels)
        for k in 0..<gradient.channels {
            for i in 0..<gradient.height {
                for j in 0..<gradient.width {
                    bias[k] += gradient[k, i, j]
                    for c in 0..<x.channels {
                        weights[((k * x.channels + c) * 2 + i % 2) * 2 + j % 2] += x[c, i / 2, j / 2] * gradient[k, i, j]
                    }
                }
            }
        }
        return (weights, bias)
    }

    /// The part of `height` × `width` pixels from (`top`, `left`) on.
    @inlinable
    public static func crop(_ x: Image, top: Int, left: Int, height: Int, width: Int) -> Image {
        var y = Image(channels: x.channels, height: height, width: width)
        for c in 0..<y.channels {
            for i in 0..<height {
                for j in 0..<width { y[c, i, j] = x[c, top + i, left + j] }
            }
        }
        return y
    }

    /// The gradient of `crop`: zeros around it, to `height` × `width` pixels.
    @inlinable
    public static func cropGradient(_ gradient: Image, top: Int, left: Int, height: Int, width: Int) -> Image {
        var result = Image(channels: gradient.channels, height: height, width: width)
        for c in 0..<gradient.channels {
            for i in 0..<gradient.height {
                for j in 0..<gradient.width { result[c, top + i, left + j] = gradient[c, i, j] }
            }
        }
        return result
    }

    /// Nearest-neighbour upsampling: y(2i + a, 2j + b) = x(i, j).
    @inlinable
    public static func upsample(_ x: Image) -> Image {
        var y = Image(channels: x.channels, height: 2 * x.height, width: 2 * x.width)
        for c in 0..<y.channels {
            for i in 0..<y.height {
                for j in 0..<y.width { y[c, i, j] = x[c, i / 2, j / 2] }
            }
        }
        return y
    }

    /// The gradient of `upsample`: each source pixel sums its four copies.
    @inlinable
    public static func upsampleGradient(_ gradient: Image) -> Image {
        var result = Image(channels: gradient.channels, height: gradient.height / 2, width: gradient.width / 2)
        for c in 0..<gradient.channels {
            for i in 0..<gradient.height {
                for j in 0..<gradient.width { result[c, i / 2, j / 2] += gradient[c, i, j] }
            }
        }
        return result
    }

    /// The maximum of each 2 × 2 window; an odd last row or column is dropped.
    @inlinable
    public static func maxPooling(_ x: Image) -> Image {
        var y = Image(channels: x.channels, height: x.height / 2, width: x.width / 2)
        for c in 0..<y.channels {
            for i in 0..<y.height {
                for j in 0..<y.width {
                    y[c, i, j] = max(
                        max(x[c, 2 * i, 2 * j], x[c, 2 * i, 2 * j + 1]), max(x[c, 2 * i + 1, 2 * j], x[c, 2 * i + 1, 2 * j + 1]))
                }
            }
        }
        return y
    }

    /// The gradient of `maxPooling`: it goes to the first element, in row order, that is the maximum.
    @inlinable
    public static func maxPoolingGradient(_ x: Image, _ gradient: Image) -> Image {
        var result = Image(channels: x.channels, height: x.height, width: x.width)
        for c in 0..<gradient.channels {
            for i in 0..<gradient.height {
                for j in 0..<gradient.width {
                    var best = (row: 2 * i, column: 2 * j)
                    for (row, column) in [(2 * i, 2 * j + 1), (2 * i + 1, 2 * j), (2 * i + 1, 2 * j + 1)]
                    where x[c, row, column] > x[c, best.row, best.column] {
                        best = (row, column)
                    }
                    result[c, best.row, best.column] += gradient[c, i, j]
                }
            }
        }
        return result
    }

    /// y = (x − mean) / √(variance + ε) · weight + bias, mean and variance being those of each of `groups` groups of channels.
    @inlinable
    public static func groupNormalization(_ x: Image, groups: Int, weight: [Scalar], bias: [Scalar], epsilon: Scalar) -> Image {
        let size = x.channels / groups, pixels = x.height * x.width, count = Scalar(size * pixels)
        var y = x
        for g in 0..<groups {
            let values = (g * size * pixels)..<((g + 1) * size * pixels)
            var mean: Scalar = 0, variance: Scalar = 0
            for i in values { mean += x.values[i] / count }
            for i in values { variance += (x.values[i] - mean) * (x.values[i] - mean) / count }
            for i in values {
                y.values[i] = (x.values[i] - mean) / (variance + epsilon).squareRoot() * weight[i / pixels] + bias[i / pixels]
            }
        }
        return y
    }

    /// y = x · σ(gate), the gate having one channel.
    @inlinable
    public static func gate(_ x: Image, by gate: Image) -> Image {
        var y = x
        let pixels = x.height * x.width
        for i in y.values.indices { y.values[i] *= Scalar(1 / (1 + exp(-Double(gate.values[i % pixels])))) }
        return y
    }

    /// max(x, 0).
    @inlinable
    public static func relu(_ x: Image) -> Image {
        var y = x
        for i in y.values.indices { y.values[i] = max(y.values[i], 0) }
        return y
    }

    /// The channels of `a`, then those of `b`.
    @inlinable
    public static func concatenate(_ a: Image, _ b: Image) -> Image {
        precondition(a.height == b.height && a.width == b.width, "concatenate: \(a.height) × \(a.width) with \(b.height) × \(b.width)")
        return Image(channels: a.channels + b.channels, height: a.height, width: a.width, values: a.values + b.values)
    }
}
