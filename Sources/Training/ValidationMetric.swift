/// A score of a validation by which networks can be compared. Its name follows `validation_` in the log.
public enum ValidationMetric: Equatable, Sendable {
    /// Pixels that are right: at probability ½, or of several classes the most probable one.
    case accuracy
    /// Dice coefficient of the foreground at probability ½, or the mean over the classes.
    case dice
    /// Intersection over union of the foreground at probability ½, or the mean over the classes.
    case iou
    /// The loss; less is better.
    case loss
    /// The challenge's pixel error; less is better.
    case pixelError
    /// The original Rand error; less is better.
    case randError
    /// V-Rand after thinning.
    case vRand
    /// V-Info after thinning.
    case vInfo
    /// The warping error; less is better.
    case warpingError
    /// Dice coefficient of the class of this name.
    case classDice(String)
    /// Intersection over union of the class of this name.
    case classIoU(String)

    private static let named: [(ValidationMetric, String)] = [
        (.accuracy, "accuracy"), (.dice, "dice"), (.iou, "iou"), (.loss, "loss"), (.pixelError, "pixel_error"),
        (.randError, "rand_error"), (.vRand, "v_rand"), (.vInfo, "v_info"), (.warpingError, "warping_error"),
    ]
    private static let dicePrefix = "dice_", iouPrefix = "iou_"

    /// The names of those that are of no single class.
    static var names: [String] { named.map(\.1) }

    /// The metric of this name; `nil` if there is none.
    public init?(_ name: String) {
        if let metric = Self.named.first(where: { $0.1 == name })?.0 {
            self = metric
        } else if name.hasPrefix(Self.dicePrefix) {
            self = .classDice(String(name.dropFirst(Self.dicePrefix.count)))
        } else if name.hasPrefix(Self.iouPrefix) {
            self = .classIoU(String(name.dropFirst(Self.iouPrefix.count)))
        } else {
            return nil
        }
    }

    /// `accuracy`, `dice_cell`.
    public var name: String {
        switch self {
        case .classDice(let name): Self.dicePrefix + name
        case .classIoU(let name): Self.iouPrefix + name
        default: Self.named.first { $0.0 == self }!.1
        }
    }

    /// Whether only validations that score segments have it.
    var needsSegments: Bool { [.randError, .vRand, .vInfo, .warpingError].contains(self) }

    /// Whether it is of the foreground, which several classes have none of.
    var needsForeground: Bool { needsSegments || self == .pixelError }

    /// The class that it is of, if it is of one.
    var className: String? {
        switch self {
        case .classDice(let name), .classIoU(let name): name
        default: nil
        }
    }

    /// The score of a validation, more being better; `nil` if what it is of was not scored, or is a class that is nowhere.
    func score(of result: Validation.Result) -> Double? {
        switch self {
        case .loss: -result.loss
        case .randError: result.segments.map { -$0.bestRandError.randError }
        case .vRand: result.segments?.bestVRand.vRand
        case .vInfo: result.segments?.bestVInfo.vInfo
        case .warpingError: result.segments.map { -$0.bestWarpingError.warpingError }
        case .pixelError:
            if case .foreground(let scores) = result.scores { -scores.pixelError } else { nil }
        default: result.scores.values.first { $0.name == name }?.value
        }
    }
}
