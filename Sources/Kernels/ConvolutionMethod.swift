/// Which family of algorithms computes the convolutions of a network.
public enum ConvolutionMethod: String, CaseIterable, Codable, Sendable {
    /// The fastest one by shape: Winograd's and other transforms.
    case automatic = "auto"
    /// No transform: products of patches with the weights as they are, by OpenBLAS. Slow; the yardstick of the others.
    case direct

    /// The algorithm that overrides the rule; `nil` leaves the choice to the shape.
    public func algorithm(kernelHeight: Int, kernelWidth: Int) -> ConvolutionAlgorithm? {
        switch self {
        case .automatic: nil
        case .direct: kernelHeight == 1 && kernelWidth == 1 ? .pointwise : .general
        }
    }
}
