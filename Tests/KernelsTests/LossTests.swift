import Foundation
import Kernels
import TestSupport
import Testing

@Suite struct LossTests {
    struct Case: CustomTestStringConvertible, Sendable {
        let testDescription: String
        let channels: Int
        let loss: Loss
        init(_ name: String, _ channels: Int, _ loss: Loss) {
            testDescription = "\(name), \(channels) channel\(channels == 1 ? "" : "s")"
            self.channels = channels
            self.loss = loss
        }
    }

    static let cases =
        [1, 3, 17].flatMap { channels in
            [
                Case("cross-entropy", channels, .crossEntropy),
                Case("balanced cross-entropy", channels, Loss(classWeights: .balanced)),
                Case("cross-entropy with weights", channels, Loss(hasPixelWeights: true)),
                Case("balanced cross-entropy with weights", channels, Loss(classWeights: .balanced, hasPixelWeights: true)),
                Case("Dice", channels, Loss(crossEntropy: 0, dice: 1)),
                Case("cross-entropy and Dice", channels, Loss(crossEntropy: 1, dice: 1)),
                Case("focal", channels, Loss(focus: 2)),
                Case("focal, 1.5", channels, Loss(focus: 1.5)),
                Case("focal, 0.5, weights, Dice", channels, Loss(crossEntropy: 0.7, dice: 0.4, focus: 0.5, hasPixelWeights: true)),
            ]
        } + [Case("focal with a share", 1, Loss(focus: 2, classWeights: .foreground(0.25)))]

    /// Value and gradient against the definition in double precision and its central differences; the same bits for any number of threads,
    /// and in place.
    @Test(arguments: cases) func agreesWithTheDefinition(_ test: Case) {
        let height = 6, width = 7, count = height * width, channels = test.channels, layout = ChannelLayout(channels)
        let z = testNumbers(channels * count, seed: 1).map { $0 * 3 }
        // Class 1 only where it is one of many, so that some are absent.
        let labels = testNumbers(count, seed: 2).map {
            Float(channels == 1 ? ($0 > 0.3 ? 1 : 0) : ($0 > 0.3 ? channels - 1 : $0 > 0 ? 1 : 0))
        }
        let weights = testNumbers(count, seed: 3).map { abs($0) }
        let image = ReferenceImage<Double>(channels: channels, height: height, width: width, values: z.map { Double($0) })
        func definition(_ z: [Double]) -> Double {
            labels.withUnsafeBufferPointer { labels in
                weights.withUnsafeBufferPointer { weights in
                    test.loss.reference(logits: z, target: labels, weights: test.loss.hasPixelWeights ? weights : nil)
                }
            }
        }
        let expected = definition(image.values), h = 1e-5
        let slopes = image.values.indices.map { i in
            var above = image.values, below = image.values
            above[i] += h
            below[i] -= h
            return (definition(above) - definition(below)) / (2 * h)
        }
        #expect(slopes.map { abs($0) }.max()! > 1e-4)
        let correct = (0..<count).filter { pixel in
            if channels == 1 { return (z[pixel] > 0 ? 1 : 0) == labels[pixel] }
            let logits = (0..<channels).map { z[$0 * count + pixel] }
            return logits.firstIndex(of: logits.max()!)! == Int(labels[pixel])
        }.count
        var first: ([UInt32], UInt64)?
        for threads in 1...3 {
            for inPlace in [false, true] {
                let device = Device(threads: threads)
                let input = TestTensor(layout, [image], strided: true)
                let gradient = inPlace ? input : TestTensor(layout, batch: 1, height: height, width: width)
                let target = TestMemory(labels), places = TestMemory(weights)
                let sums = withExtendedLifetime((input, gradient, target, places)) {
                    test.loss.evaluate(
                        on: device, logits: input.tensor, target: target.pointer,
                        weights: test.loss.hasPixelWeights ? UnsafePointer(places.pointer) : nil, gradient: gradient.tensor,
                        scale: 1 / Float(count), workspace: LossWorkspace(channels: channels, height: height))
                }
                #expect(abs(sums.loss / Double(count) - expected) < 1e-6 * max(1, expected) && sums.correct == correct)
                let found = gradient.images[0].values
                for (a, b) in zip(found, slopes) { #expect(abs(a - b) < 2e-6 * slopes.map { abs($0) }.max()! + 1e-10) }
                #expect(gradient.strayLanes == 0 && gradient.surroundingsIntact && input.surroundingsIntact)
                let bits = (gradient.bits(sample: 0), sums.loss.bitPattern)
                if let first { #expect(bits == first, "\(threads) threads, in place \(inPlace)") } else { first = bits }
            }
        }
    }

    /// A sample without any pixel of a class, or of one class alone, has a finite loss and gradient.
    @Test(arguments: cases) func absentClasses(_ test: Case) {
        let count = 12, channels = test.channels, layout = ChannelLayout(channels)
        for label in Set([0, 1, max(1, channels - 1)]) {
            for size in [0.5, 60] as [Float] {
                let z = testNumbers(channels * count, seed: 5).map { Double($0 * size) }
                let image = ReferenceImage<Double>(channels: channels, height: 3, width: 4, values: z)
                let input = TestTensor(layout, [image]), gradient = TestTensor(layout, batch: 1, height: 3, width: 4)
                let labels = [Float](repeating: Float(label), count: count), target = TestMemory(labels), places = TestMemory(labels)
                let sums = withExtendedLifetime((input, gradient, target, places)) {
                    test.loss.evaluate(
                        on: Device(), logits: input.tensor, target: target.pointer,
                        weights: test.loss.hasPixelWeights ? UnsafePointer(places.pointer) : nil, gradient: gradient.tensor, scale: 1,
                        workspace: LossWorkspace(channels: channels, height: 3))
                }
                let expected = labels.withUnsafeBufferPointer {
                    test.loss.reference(logits: z, target: $0, weights: test.loss.hasPixelWeights ? $0 : nil)
                }
                #expect(abs(sums.loss / Double(count) - expected) < 1e-5 * max(1, expected), "label \(label)")
                let isFinite = gradient.images[0].values.allSatisfy(\.isFinite)
                #expect(isFinite)
            }
        }
    }

    /// Ignored pixels have no gradient, and the others the loss and gradient that they have where the ignored ones were never there.
    @Test(arguments: cases.filter { $0.channels > 1 }) func ignoredPixels(_ test: Case) {
        let channels = test.channels, layout = ChannelLayout(channels), height = 4, width = 6, count = height * width
        let z = testNumbers(channels * count, seed: 4).map { Double($0 * 3) }
        // Every other row is ignored.
        let labels = (0..<count).map { Float($0 / width % 2 == 1 ? -1 : $0 % 5 == 0 ? channels - 1 : 0) }
        let kept = (0..<count).filter { labels[$0] >= 0 }, weights = testNumbers(count, seed: 3).map { abs($0) }
        func evaluate(_ places: [Int], height: Int) -> (loss: Double, correct: Int, gradient: [Double]) {
            let values = (0..<channels).flatMap { c in places.map { z[c * count + $0] } }
            let image = ReferenceImage<Double>(channels: channels, height: height, width: width, values: values)
            let input = TestTensor(layout, [image]), gradient = TestTensor(layout, batch: 1, height: height, width: width)
            let target = TestMemory(places.map { labels[$0] }), weights = TestMemory(places.map { weights[$0] })
            let sums = withExtendedLifetime((input, gradient, target, weights)) {
                test.loss.evaluate(
                    on: Device(threads: 2), logits: input.tensor, target: target.pointer,
                    weights: test.loss.hasPixelWeights ? UnsafePointer(weights.pointer) : nil, gradient: gradient.tensor, scale: 1,
                    workspace: LossWorkspace(channels: channels, height: height))
            }
            return (sums.loss, sums.correct, gradient.images[0].values)
        }
        let all = evaluate(Array(0..<count), height: height), part = evaluate(kept, height: kept.count / width)
        #expect(all.correct == part.correct && all.correct < kept.count)
        // The Dice loss is of the sample, whose pixels are twice as many.
        let dice = test.loss.dice == 0 ? 1.0 : 2
        if test.loss.dice == 0 || test.loss.crossEntropy == 0 { #expect(abs(all.loss - dice * part.loss) < 1e-5 * part.loss) }
        for c in 0..<channels {
            for pixel in 0..<count where labels[pixel] < 0 { #expect(all.gradient[c * count + pixel] == 0) }
            guard test.loss.dice == 0 || test.loss.crossEntropy == 0 else { continue }
            for (place, pixel) in kept.enumerated() {
                #expect(abs(all.gradient[c * count + pixel] - dice * part.gradient[c * kept.count + place]) < 1e-5)
            }
        }
        let nothing = evaluate((0..<count).filter { labels[$0] < 0 }, height: height / 2)
        #expect(nothing.loss == 0 && nothing.correct == 0 && nothing.gradient.allSatisfy { $0 == 0 })
    }

    /// A balanced loss weighs each class as much as any other, however rare.
    @Test func balance() {
        let labels = [Float](repeating: 0, count: 90) + [Float](repeating: 1, count: 10)
        let loss = Loss(classWeights: .balanced), zeros = [Double](repeating: 0, count: 100)
        labels.withUnsafeBufferPointer { labels in
            #expect(abs(loss.reference(logits: zeros, target: labels) - log(2)) < 1e-12)
            // Wrong on the rare class alone: half of what counts.
            let never = [Double](repeating: -20, count: 100)
            #expect(abs(loss.reference(logits: never, target: labels) - 10) < 1e-6)
        }
    }

    // MARK: Cross-entropy of one channel, with logits of all sizes

    private let layout = ChannelLayout(1)

    /// Logits of all sizes, extreme ones and both zeros first.
    private func logits(_ count: Int) -> [Float] {
        let extremes: [Float] = [100, -100, 100, -100, 0, -0.0, 1e4, -1e4, 88, -88, 17, -17, 1e-6, -1e-6, .leastNonzeroMagnitude, 3e38]
        return Array((extremes + testNumbers(count, seed: 1).enumerated().map { $1 * [1, 5, 30][$0 % 3] }).prefix(count))
    }
    /// Both zeros are foreground here, so that the wrong class for probability ½ cannot cancel in the count.
    private func target(_ count: Int) -> [Float] {
        Array(([1, 1, 0, 0, 1, 1, 0, 0] + testNumbers(count, seed: 2).map { $0 > 0 ? 1 : 0 }).prefix(count))
    }

    private func loss(_ z: Double, _ t: Double) -> Double { max(z, 0) - t * z + log1p(exp(-abs(z))) }
    private func sigmoid(_ z: Double) -> Double { z >= 0 ? 1 / (1 + exp(-z)) : exp(z) / (1 + exp(z)) }

    @Test(arguments: [(1, 1), (1, 7), (13, 1), (7, 5), (30, 13)]) func extremeLogits(height: Int, width: Int) {
        let count = height * width, z = logits(count), t = target(count), scale: Float = 1 / Float(count)
        let image = ReferenceImage<Double>(channels: 1, height: height, width: width, values: z.map { Double($0) })
        let expected = zip(z, t).map { loss(Double($0), Double($1)) }
        let input = TestTensor(layout, [image]), gradient = TestTensor(layout, batch: 1, height: height, width: width),
            labels = TestMemory(t)
        let sums = withExtendedLifetime((input, gradient, labels)) {
            Loss.crossEntropy.evaluate(
                on: Device(), logits: input.tensor, target: labels.pointer, gradient: gradient.tensor, scale: scale,
                workspace: LossWorkspace(channels: 1, height: height))
        }
        // Each pixel's loss is rounded a few times in single precision, the sum is in double.
        #expect(abs(sums.loss - expected.reduce(0, +)) <= expected.reduce(0) { $0 + 4 * 0x1p-24 * max($1, 1) })
        #expect(sums.correct == zip(z, t).filter { ($0 > 0) == ($1 == 1) }.count)
        for i in 0..<count {
            let g = (sigmoid(Double(z[i])) - Double(t[i])) * Double(scale)
            #expect(abs(Double(gradient.tensor.pointer[i * 16]) - g) <= 3 * 0x1p-24 * Double(scale), "z = \(z[i]), t = \(t[i])")
        }
    }

    @Test func probabilities() {
        let z = logits(200)
        let image = ReferenceImage<Double>(channels: 1, height: 10, width: 20, values: z.map { Double($0) })
        let result = TestMemory(200)
        let input = TestTensor(layout, [image])
        withExtendedLifetime(input) { Loss.probabilities(input.tensor, channels: 1, into: result.pointer) }
        for (z, p) in zip(z, result.values) {
            #expect(p >= 0 && p <= 1 && abs(Double(p) - sigmoid(Double(z))) <= 2 * 0x1p-24, "z = \(z)")
        }
        // A confident answer keeps its magnitude: no probability is rounded to zero that single precision can hold.
        #expect(relativeError([result.values[9]], [sigmoid(-88)]) < 1e-6)
        #expect(result.guardsIntact)
    }

    @Test func probabilitiesOfClasses() {
        let channels = 18, count = 35, z = testNumbers(channels * count, seed: 7).map { Double($0 * 20) }
        let input = TestTensor(ChannelLayout(channels), [ReferenceImage<Double>(channels: channels, height: 5, width: 7, values: z)])
        let result = TestMemory(channels * count)
        withExtendedLifetime(input) { Loss.probabilities(input.tensor, channels: channels, into: result.pointer) }
        let found = result.values
        for pixel in 0..<count {
            let sum = (0..<channels).map { exp(z[$0 * count + pixel]) }.reduce(0, +)
            for c in 0..<channels { #expect(abs(Double(found[c * count + pixel]) - exp(z[c * count + pixel]) / sum) < 1e-6) }
        }
        #expect(result.guardsIntact)
    }

    @Test(arguments: [1, 3]) func notFinite(_ channels: Int) {
        var values = [Double](repeating: 1, count: 3 * channels)
        values[1] = .nan
        let image = ReferenceImage<Double>(channels: channels, height: 1, width: 3, values: values), labels = TestMemory([1, 1, 0])
        let layout = ChannelLayout(channels), input = TestTensor(layout, [image]),
            gradient = TestTensor(layout, batch: 1, height: 1, width: 3)
        let sums = withExtendedLifetime((input, gradient, labels)) {
            Loss.crossEntropy.evaluate(
                on: Device(), logits: input.tensor, target: labels.pointer, gradient: gradient.tensor, scale: 1,
                workspace: LossWorkspace(channels: channels, height: 1))
        }
        #expect(sums.loss.isNaN && gradient.images[0].values[1].isNaN && !gradient.images[0].values[0].isNaN)
    }
}
