import Imaging

/// What is written of the probabilities.
public enum PredictionType: String, CaseIterable, Sendable {
    /// The probabilities.
    case float32
    /// The probabilities times 255 or 65535, rounded.
    case uint8, uint16
    /// The label value of the most probable of several classes.
    case labels
    /// The number of the object: the foreground's 4-connected components of each page, numbered through the volume from 1 on.
    case objects

    /// How the samples are stored if these are the classes.
    func pixelType(_ classes: LabelClasses?) -> PixelType {
        switch self {
        case .float32: .float32
        case .uint8: .uint8
        case .uint16: .uint16
        case .objects: .int32
        case .labels: (classes?.greatestValue ?? 0) > 255 ? .uint16 : .uint8
        }
    }
}
