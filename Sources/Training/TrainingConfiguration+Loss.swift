import Imaging
import Kernels

// What is minimised: what the options mean, and where they contradict each other.
extension TrainingConfiguration {
    /// The values of --loss.
    static let losses = ["bce", "weighted-bce", "dice", "bce-dice", "focal"] + softmaxLosses.map(\.softmax)
    /// What the cross-entropies are called with one output, and with one for each class.
    private static let softmaxLosses: [(sigmoid: String, softmax: String)] = [
        ("bce", "cross-entropy"), ("weighted-bce", "weighted-cross-entropy"), ("bce-dice", "cross-entropy-dice"),
    ]

    /// Calls the cross-entropy by its name: with a list of classes, which the default does not know of, it is no binary one.
    mutating func resolveLoss() {
        if classes != nil, let other = Self.softmaxLosses.first(where: { $0.sigmoid == loss }) { loss = other.softmax }
    }

    /// Throws what no single option can say.
    func validateLoss() throws {
        if classes == nil, let other = Self.softmaxLosses.first(where: { $0.softmax == loss }) {
            throw TrainingError(.usage, "--loss \(loss) is for --classes; of foreground and background it is \(other.sigmoid)")
        }
        if classes != nil && focalAlpha != nil {
            throw TrainingError(.usage, "--focal-alpha weighs the foreground, which --classes have none of")
        }
        if classes?.ignored != nil && borderWeight > 0 {
            throw TrainingError(.usage, "--border-weight must know where all objects are; it contradicts --classes with an ignored value")
        }
        if focalAlpha != nil && loss != "focal" { throw TrainingError(.usage, "--focal-alpha is for --loss focal; it contradicts \(loss)") }
        if borderWeight > 0 && loss == "dice" {
            throw TrainingError(.usage, "--border-weight weighs the cross-entropy, which --loss dice has none of; bce-dice has both")
        }
    }

    /// The loss as a network takes it.
    package var lossFunction: Loss {
        var result =
            switch loss {
            case "weighted-bce", "weighted-cross-entropy": Loss(classWeights: .balanced)
            case "dice": Loss(crossEntropy: 0, dice: 1)
            case "bce-dice", "cross-entropy-dice": Loss(crossEntropy: 1, dice: 1)
            case "focal": Loss(focus: Float(focalGamma), classWeights: focalAlpha.map { .foreground(Float($0)) } ?? .equal)
            default: Loss.crossEntropy
            }
        result.hasPixelWeights = borderWeight > 0
        return result
    }

    /// Whether the loss is the plain mean of a cross-entropy.
    var isPlainCrossEntropy: Bool { ["bce", "cross-entropy"].contains(loss) && borderWeight == 0 }

    /// The border weights, if there are any.
    var borderWeights: BorderWeights? {
        borderWeight > 0 ? BorderWeights(weight: Float(borderWeight), deviation: Float(borderSigma)) : nil
    }
}
