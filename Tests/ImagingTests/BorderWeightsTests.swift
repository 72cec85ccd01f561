import Foundation
import Imaging
import TestSupport
import Testing

@Suite struct BorderWeightsTests {
    func weights(_ label: [Float], _ height: Int, _ width: Int, _ border: BorderWeights = BorderWeights()) -> [Float] {
        var result = [Float](repeating: -1, count: label.count)
        label.withUnsafeBufferPointer { label in
            result.withUnsafeMutableBufferPointer { border.compute(label: label, height: height, width: width, into: $0) }
        }
        return result
    }

    /// Every pair of a background pixel and an object pixel.
    func byHand(_ label: [Float], _ height: Int, _ width: Int, weight: Double, deviation: Double) -> [Double] {
        var objects = [Int](repeating: 0, count: label.count), count = 0
        for start in label.indices where label[start] != 0 && objects[start] == 0 {
            count += 1
            var open = [start]
            objects[start] = count
            while let pixel = open.popLast() {
                let (y, x) = (pixel / width, pixel % width)
                for (v, u) in [(y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)] where v >= 0 && v < height && u >= 0 && u < width {
                    let other = v * width + u
                    if objects[other] == 0 && label[other] == label[start] {
                        objects[other] = count
                        open.append(other)
                    }
                }
            }
        }
        return label.indices.map { pixel in
            guard label[pixel] == 0 else { return 0 }
            var distances = [Double](repeating: .infinity, count: count + 2)
            for other in label.indices where objects[other] > 0 {
                let dy = Double(other / width - pixel / width), dx = Double(other % width - pixel % width)
                distances[objects[other]] = min(distances[objects[other]], (dy * dy + dx * dx).squareRoot())
            }
            let nearest = distances.sorted(), sum = nearest[0] + nearest[1]
            return weight * exp(-sum * sum / (2 * deviation * deviation))
        }
    }

    /// Random blobs of one class and of several, sparse and dense, also in images of one row or column.
    @Test(arguments: [(24, 31, 0.3), (17, 40, 1.2), (40, 9, 0.8), (1, 60, 0.5), (60, 1, 0.5), (12, 12, 3)])
    func agreesWithAllPairs(_ height: Int, _ width: Int, _ threshold: Float) {
        for (seed, classes) in [(1, 1), (2, 1), (3, 3)] {
            let label = testNumbers(height * width, seed: UInt64(seed)).enumerated().map { i, v in
                v > threshold ? Float(1 + i % classes) : 0
            }
            for (weight, deviation) in [(10.0, 5.0), (3, 1.5)] {
                let found = weights(label, height, width, BorderWeights(weight: Float(weight), deviation: Float(deviation)))
                for (a, b) in zip(found, byHand(label, height, width, weight: weight, deviation: deviation)) {
                    #expect(abs(Double(a) - b) <= max(1e-6 * b, 0x1p-26))
                }
            }
        }
    }

    /// A border of one pixel between two objects weighs w₀ exp(−(1 + 1)² / 2σ²); a single object has no border.
    @Test func aThinBorder() {
        let label: [Float] = [1, 1, 0, 1, 1]
        #expect(abs(weights(label, 1, 5)[2] - 10 * Float(exp(-4.0 / 50))) < 1e-5)
        #expect(weights(label, 1, 5).filter { $0 != 0 }.count == 1)
        #expect(weights([1, 1, 0, 0, 0], 1, 5) == [0, 0, 0, 0, 0])
        #expect(weights([0, 0, 0], 1, 3) == [0, 0, 0])
        // Objects that touch at a corner only are two, those of two classes side by side too.
        #expect(weights([1, 0, 0, 1], 2, 2)[1] > 9)
        #expect(weights([1, 2, 0], 1, 3)[2] > 8)
    }
}
