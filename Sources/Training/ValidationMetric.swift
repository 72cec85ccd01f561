/// A score of a validation by which networks can be compared. The raw value is its name: `validation_` and it in the log.
public enum ValidationMetric: String, CaseIterable, Sendable {
    /// Pixels that are right at probability ½.
    case accuracy
    /// Dice coefficient of the foreground at probability ½.
    case dice
    /// Intersection over union of the foreground at probability ½.
    case iou
    /// The loss; less is better.
    case loss
    /// The challenge's pixel error; less is better.
    case pixelError = "pixel_error"
    /// The original Rand error; less is better.
    case randError = "rand_error"
    /// V-Rand after thinning.
    case vRand = "v_rand"
    /// V-Info after thinning.
    case vInfo = "v_info"
    /// The warping error; less is better.
    case warpingError = "warping_error"

    /// Whether only validations that score segments have it.
    var needsSegments: Bool { [.randError, .vRand, .vInfo, .warpingError].contains(self) }

    /// The score of a validation, more being better; `nil` if the segments that it is of were not scored.
    func score(of result: Validation.Result) -> Double? {
        switch self {
        case .accuracy: result.scores.pixelAccuracy
        case .dice: result.scores.dice
        case .iou: result.scores.iou
        case .loss: -result.loss
        case .pixelError: -result.scores.pixelError
        case .randError: result.segments.map { -$0.bestRandError.randError }
        case .vRand: result.segments?.bestVRand.vRand
        case .vInfo: result.segments?.bestVInfo.vInfo
        case .warpingError: result.segments.map { -$0.bestWarpingError.warpingError }
        }
    }
}
