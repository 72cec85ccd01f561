/// What a rank is doing: what the others are told of it, and what is said of it when it does not go on.
public enum Phase: UInt8, CaseIterable, Sendable {
    /// Opening data and run folder, building the network, taking over a checkpoint.
    case startup
    /// Reading and augmenting the samples of a step.
    case input
    /// The forward pass with the loss.
    case forward
    /// The exchange of losses, in which all ranks meet.
    case agreement
    /// The backward pass, with what of the reduction runs beneath it.
    case backward
    /// What is left of the reduction then.
    case reduction
    /// The optimizer.
    case update
    /// Scoring the held-out slices.
    case validation
    /// Saving.
    case checkpoint
    /// Drawing the pictures of the run folder.
    case report
    /// Predicting a page, or writing it.
    case prediction
    /// Computing another rank's gradient, to compare it.
    case verification
    /// The end of the program.
    case end

    /// Whether it may take long on one rank while nothing that the others could see goes on: such phases are given more time.
    public var isLong: Bool {
        switch self {
        case .startup, .validation, .checkpoint, .report, .prediction, .end: true
        case .input, .forward, .agreement, .backward, .reduction, .update, .verification: false
        }
    }

    /// The phase of this name; `nil` when there is none.
    package init?(name: String) {
        guard let phase = Self.allCases.first(where: { "\($0)" == name }) else { return nil }
        self = phase
    }
}
