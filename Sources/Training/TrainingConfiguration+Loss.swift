import Imaging
import Kernels

// What is minimised: what the options mean, and where they contradict each other.
extension TrainingConfiguration {
    /// The values of --loss.
    static let losses = ["bce", "weighted-bce", "dice", "bce-dice", "focal"]

    /// Throws what no single option can say.
    func validateLoss() throws {
        if focalAlpha != nil && loss != "focal" { throw TrainingError(.usage, "--focal-alpha is for --loss focal; it contradicts \(loss)") }
        if borderWeight > 0 && loss == "dice" {
            throw TrainingError(.usage, "--border-weight weighs the cross-entropy, which --loss dice has none of; bce-dice has both")
        }
    }

    /// The loss as a network takes it.
    package var lossFunction: Loss {
        var result =
            switch loss {
            case "weighted-bce": Loss(classWeights: .balanced)
            case "dice": Loss(crossEntropy: 0, dice: 1)
            case "bce-dice": Loss(crossEntropy: 1, dice: 1)
            case "focal": Loss(focus: Float(focalGamma), classWeights: focalAlpha.map { .foreground(Float($0)) } ?? .equal)
            default: Loss.crossEntropy
            }
        result.hasPixelWeights = borderWeight > 0
        return result
    }

    /// The border weights, if there are any.
    var borderWeights: BorderWeights? {
        borderWeight > 0 ? BorderWeights(weight: Float(borderWeight), deviation: Float(borderSigma)) : nil
    }
}
