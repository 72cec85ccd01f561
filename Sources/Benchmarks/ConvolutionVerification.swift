import Kernels
import Model

/// Compares single results of a convolution's passes with the sum that defines them, in double precision: corners, borders and interior
/// of a few channels of the first and the last sample.
package struct ConvolutionVerification {
    private let operands: ConvolutionOperands
    private let subject: BenchmarkedConvolution
    private let weightLanes: (input: ChannelLayout, output: ChannelLayout)
    /// 2 where the input is enlarged before it is convolved.
    private let scale: Int

    /// Largest error that single precision may have, over the largest magnitude of the results. Half a precision would have ten times as much.
    static let tolerance = 2e-4

    package init(_ operands: ConvolutionOperands) {
        self.operands = operands
        subject = operands.subject
        weightLanes = (subject.layer.inputs[0].layout, subject.layer.output.layout)
        scale = subject.convolution.kind.enlarges ? 2 : 1
    }

    /// The largest error of the output, over its largest magnitude.
    package func forwardError() throws -> Double {
        try worst("forward", positions(operands.output.shape, subject.layer.output.layout)) { p in
            var sum = Double(operands.bias[p.lane])
            forEachTap(row: p.row, column: p.column) { tap, row, column in
                for c in weightLanes.input.lanes {
                    sum += Double(weight(c, p.lane, tap)) * Double(value(operands.input, p.sample, c, row / scale, column / scale))
                }
            }
            if subject.isRectified { sum = max(sum, 0) }
            return (value(operands.output, p.sample, p.lane, p.row, p.column), sum)
        }
    }

    /// The same of the input gradient.
    package func inputGradientError() throws -> Double {
        let output = operands.outputGradient
        return try worst("input gradient", positions(operands.inputGradient.shape, subject.layer.inputs[0].layout)) { p in
            var sum = 0.0
            // Every output whose window covers one of the pixel's copies.
            for enlargedRow in p.row * scale..<(p.row + 1) * scale {
                for enlargedColumn in p.column * scale..<(p.column + 1) * scale {
                    for tap in 0..<taps {
                        let row = enlargedRow - offset(tap).row, column = enlargedColumn - offset(tap).column
                        guard (0..<output.shape.height).contains(row), (0..<output.shape.width).contains(column),
                            reaches(tap, row, column)
                        else { continue }
                        for k in weightLanes.output.lanes {
                            sum += Double(weight(p.lane, k, tap)) * Double(value(output, p.sample, k, row, column))
                        }
                    }
                }
            }
            if subject.isMasked && value(operands.input, p.sample, p.lane, p.row, p.column) <= 0 { sum = 0 }
            return (value(operands.inputGradient, p.sample, p.lane, p.row, p.column), sum)
        }
    }

    /// The same of the gradients of weights and bias of the last sample, each over its own largest magnitude.
    package func weightGradientError() throws -> Double {
        let sample = subject.batch - 1, shape = operands.outputGradient.shape
        let inputs = some(weightLanes.input.lanes), outputs = some(weightLanes.output.lanes)
        var places: [(input: Int, output: Int, tap: Int)] = []
        for c in inputs { for k in outputs { for tap in some(Array(0..<taps)) { places.append((c, k, tap)) } } }
        let weights = try worst("weight gradient", places) { p in
            var sum = 0.0
            let offset = offset(p.tap)
            for row in 0..<shape.height where (0..<enlargedHeight).contains(row + offset.row) {
                for column in 0..<shape.width
                where (0..<enlargedWidth).contains(column + offset.column) && reaches(p.tap, row, column) {
                    sum +=
                        Double(value(operands.outputGradient, sample, p.output, row, column))
                        * Double(value(operands.input, sample, p.input, (row + offset.row) / scale, (column + offset.column) / scale))
                }
            }
            return (operands.weightGradient[stored(p.input, p.output, p.tap)], sum)
        }
        let bias = try worst("bias gradient", outputs) { lane in
            var sum = 0.0
            for row in 0..<shape.height {
                for column in 0..<shape.width { sum += Double(value(operands.outputGradient, sample, lane, row, column)) }
            }
            return (operands.biasGradient[lane], sum)
        }
        return max(weights, bias)
    }

    // MARK: Positions

    private typealias Position = (sample: Int, lane: Int, row: Int, column: Int)

    /// First, last and what lies between them: at most five.
    private func some(_ values: [Int]) -> [Int] {
        let last = values.count - 1
        return Array(Set([0, last / 3, last / 2, 2 * last / 3 + 1, last].map { values[min($0, last)] })).sorted()
    }

    private func positions(_ shape: Shape, _ layout: ChannelLayout) -> [Position] {
        var result: [Position] = []
        for sample in Set([0, shape.batch - 1]).sorted() {
            for lane in some(layout.lanes) {
                for row in some(Array(0..<shape.height)) {
                    for column in some(Array(0..<shape.width)) { result.append((sample, lane, row, column)) }
                }
            }
        }
        return result
    }

    /// Throws `BenchmarkError` (`wrong`) when the largest error is beyond the tolerance.
    private func worst<Place>(_ what: String, _ places: [Place], _ values: (Place) -> (computed: Float, expected: Double)) throws -> Double
    {
        var error = 0.0, magnitude = 0.0
        for place in places {
            let (computed, expected) = values(place)
            let difference = abs(Double(computed) - expected)
            // Not-a-number stays.
            error = difference.isNaN || error.isNaN ? .nan : max(error, difference)
            magnitude = max(magnitude, abs(expected))
        }
        // Everything may be masked or rectified away in a tiny layer.
        let relative = magnitude > 0 ? error / magnitude : error
        guard relative <= Self.tolerance else {
            throw BenchmarkError(
                .wrong,
                "verification failed, so this is not timed: \(subject.name), \(what) by \(subject.convolution.algorithm.rawValue), "
                    + "\(operands.device.instructionSet): off by \(scientific(relative)) of the largest magnitude, allowed is "
                    + "\(scientific(Self.tolerance)); another UNET_ISA may do")
        }
        return relative
    }

    // MARK: Memory

    private var taps: Int { subject.convolution.kernelHeight * subject.convolution.kernelWidth }

    private var kind: Convolution.Kind { subject.convolution.kind }
    private var enlargedHeight: Int { subject.convolution.input.height * scale }
    private var enlargedWidth: Int { subject.convolution.input.width * scale }

    /// Where a tap lies in the (enlarged) input, seen from the output's pixel: the smaller half of the zeros is above and to the left.
    private func offset(_ tap: Int) -> (row: Int, column: Int) {
        let height = subject.convolution.kernelHeight, width = subject.convolution.kernelWidth
        switch kind {
        case .same, .upsampling: return (tap / width - (height - 1) / 2, tap % width - (width - 1) / 2)
        case .valid: return (tap / width, tap % width)
        case .transposed: return (0, 0)
        }
    }

    /// Whether a tap has a part in an output: one of four has in a transposed convolution.
    private func reaches(_ tap: Int, _ row: Int, _ column: Int) -> Bool { kind != .transposed || tap == row % 2 * 2 + column % 2 }

    private func forEachTap(row: Int, column: Int, _ body: (_ tap: Int, _ row: Int, _ column: Int) -> Void) {
        for tap in 0..<taps where reaches(tap, row, column) {
            let place = (row: row + offset(tap).row, column: column + offset(tap).column)
            if (0..<enlargedHeight).contains(place.row) && (0..<enlargedWidth).contains(place.column) { body(tap, place.row, place.column) }
        }
    }

    private func value(_ tensor: Tensor, _ sample: Int, _ lane: Int, _ row: Int, _ column: Int) -> Float {
        tensor.pointer[
            sample * tensor.sampleStride + (lane / 16 * tensor.shape.pixels + row * tensor.shape.width + column) * 16 + lane % 16]
    }

    private func stored(_ input: Int, _ output: Int, _ tap: Int) -> Int {
        ((output / 16 * weightLanes.input.blocks + input / 16) * taps + tap) * 256 + input % 16 * 16 + output % 16
    }

    private func weight(_ input: Int, _ output: Int, _ tap: Int) -> Float { operands.weights[stored(input, output, tap)] }
}
