import Imaging
import Model

extension TrainingConfiguration {
    /// Which images the network takes.
    package var inputSize: InputSizeRule {
        get throws { try Architecture.named(architecture).inputSize(architectureOptions) }
    }

    /// What no single option can say of the network: throws `TrainingError` (`usage`).
    func validateNetwork() throws {
        if normalization == ArchitectureOptions.Normalization.batch.rawValue && memoryMode == .low {
            throw TrainingError(
                .usage,
                "--norm batch needs all samples of a rank at once, and --memory low holds one; take --norm group, or more ranks instead of --memory low"
            )
        }
        if normalization == ArchitectureOptions.Normalization.batch.rawValue && accumulate > 1 {
            throw TrainingError(
                .usage, "--norm batch needs the whole batch at once, and --accumulate \(accumulate) divides it; take --norm group")
        }
        if normalization == ArchitectureOptions.Normalization.batch.rawValue && verifyEvery > 0 {
            throw TrainingError(
                .usage,
                "--verify-every computes the samples of one rank alone, and with --norm batch they depend on all others; take --norm group")
        }
        // A graph is quickly built; the architecture knows best what it cannot do.
        let rule = try inputSize
        do {
            _ = try Network.graph(self, channels: 1, height: rule.smallest, width: rule.smallest)
        } catch let error as NetworkError {
            throw TrainingError(.usage, "--architecture \(architecture): \(error)")
        }
        // full: the volume's size is checked when it is known
        if crop != .full { try validate(crop.size(height: 0, width: 0), what: "--crop \(crop)") }
    }

    /// Throws if the network does not take samples of this size.
    func validate(_ size: (height: Int, width: Int), what: String) throws {
        let rule = try inputSize
        if rule.fits(size.height) && rule.fits(size.width) { return }
        let sides = rule.remainder == 0 ? "a multiple of \(rule.multiple)" : "one of \(rule.smallest), \(rule.smallest + rule.multiple), …"
        func text(_ height: Int, _ width: Int) -> String { height == width ? "\(height)" : "\(height)x\(width)" }
        var near = ["--crop \(text(rule.atLeast(size.height), rule.atLeast(size.width)))"]
        if let height = rule.atMost(size.height), let width = rule.atMost(size.width) { near.append("--crop \(text(height, width))") }
        throw TrainingError(
            .usage, "\(what): \(architecture) with --depth \(depth) needs each side to be \(sides); \(near.joined(separator: " or ")) fits")
    }
}
