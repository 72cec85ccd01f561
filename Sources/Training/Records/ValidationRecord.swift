import Foundation
import Imaging

/// The run's `validation.json`: all that the latest validation found.
package struct ValidationRecord: Codable, Equatable {
    /// The scores of the foreground at one threshold; those of segments where they were computed.
    package struct Point: Codable, Equatable {
        package var threshold, accuracy, dice, iou: Double
        package var vRand, vInfo, randError, warpingError: Double?
    }

    /// Updates done.
    package var step: Int
    /// The scores by their names in the log, without `validation_`.
    package var scores: [String: Double]
    /// The scores over the thresholds; with several classes there are none.
    package var thresholds: [Point]?
    /// The latest validation that scored segments, if this one did not.
    package var segments: Segments?
    /// With several classes, their names and the confusion matrix: a row a true class, a column a predicted one, in pixels.
    package var classes: [String]?
    package var confusion: [Int]?

    /// Scores of segments of an earlier step.
    package struct Segments: Codable, Equatable {
        package var step: Int
        package var thresholds: [Point]
    }

    init(_ result: Validation.Result, step: Int, after earlier: ValidationRecord?) {
        self.step = step
        scores = ["loss": result.loss]
        for (name, value) in result.scores.values { scores[name] = value }
        switch result.scores {
        case .foreground(let counts):
            thresholds = PixelScores.thresholds.indices.map { index in
                let pixels = counts.confusion(at: index), segments = result.segments?.curve[index]
                return Point(
                    threshold: PixelScores.thresholds[index], accuracy: pixels.accuracy, dice: pixels.fScore, iou: pixels.iou,
                    vRand: segments?.vRand, vInfo: segments?.vInfo, randError: segments?.randError, warpingError: segments?.warpingError)
            }
        case .classes(let counts, let names): (classes, confusion) = (names.names, counts.confusion)
        }
        if result.segments == nil {
            segments =
                earlier?.segments
                ?? earlier.flatMap { old in
                    old.thresholds.flatMap { $0.contains { $0.vRand != nil } ? Segments(step: old.step, thresholds: $0) : nil }
                }
        }
    }

    /// The record of a run folder; `nil` if there is none.
    package init?(path: String, files: any FileOperations = SystemFiles()) throws {
        guard FileManager.default.fileExists(atPath: path) else { return nil }
        do {
            try self.init(json: files.readAll(path))
        } catch is DecodingError {
            throw TrainingError(.invalid, "\(path): is not what unet-mpi wrote there; delete it, the next validation writes it anew")
        }
    }

    /// The record in the bytes of a file.
    ///
    /// - Throws: `DecodingError`, also if a number is none that a validation can have found.
    package init(json: [UInt8]) throws {
        self = try JSONDecoder().decode(ValidationRecord.self, from: Data(json))
        let points = (thresholds ?? []) + (segments?.thresholds ?? [])
        let numbers = points.flatMap { point -> [Double] in
            [point.threshold, point.accuracy, point.dice, point.iou]
                + [point.vRand, point.vInfo, point.randError, point.warpingError].compactMap { $0 }
        }
        let counts = [step, segments?.step ?? 0] + (confusion ?? [])
        guard (numbers + scores.values).allSatisfy(TrainingLog.isPossible),
            counts.allSatisfy({ TrainingLog.steps.contains(Double($0)) }), (confusion ?? []).reduce(0, { $0 + Double($1) }) < 1e18
        else { throw DecodingError.dataCorrupted(.init(codingPath: [], debugDescription: "a number is out of range")) }
    }

    func write(to path: String, files: any FileOperations) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .prettyPrinted]
        try Array(encoder.encode(self)).withUnsafeBytes { try files.writeAtomically([$0], to: path) }
    }
}
