import DataParallel
import Interchange
import Model

extension Trainer {
    /// Puts the weights of `--initial-weights`, if there are any, in the place of random ones, and says which layers that are. A collective;
    /// rank 0 reads.
    func loadInitialWeights() throws {
        guard let weights = configuration.initialWeights else { return }
        try communicator.agree("reading the initial weights") {
            guard communicator.rank == 0 else { return }
            let file = try WeightFile(anyKind: weights.path)
            let assignment = try WeightAssignment(of: file, to: network, skip: configuration.skippedWeights)
            try assignment.load(into: network)
            let all = assignment.taken.count + assignment.missing.count + assignment.skipped.count
            logger.notice("initial weights: \(assignment.taken.count) of \(all) layers from \(weights.path) (\(file.format))")
            for remark in assignment.remarks { logger.notice("\(remark)") }
            logger.debug("taken: \(assignment.taken.joined(separator: ", "))")
            warn(of: file)
        }
        try communicator.broadcast(network.parameterValues, from: 0)
    }

    /// Weights are of use only for images that are prepared alike.
    private func warn(of file: WeightFile) {
        guard let other = file.description else { return }
        if other.normalization != data.normalization {
            logger.warning(
                "\(file.path) was trained with pixel values normalised as \(other.normalization), this run has \(data.normalization)")
        }
    }
}

extension TrainingConfiguration {
    /// The same with the hash of the initial weights, which rank 0 reads. A collective.
    func hashingInitialWeights(_ communicator: Communicator) throws -> TrainingConfiguration {
        guard let weights = initialWeights else { return self }
        let text = try communicator.agree("reading the initial weights") { communicator.rank == 0 ? try weights.hashed().sha256! : "" }
        var configuration = self
        configuration.initialWeights!.sha256 = String(decoding: try communicator.broadcast(Array(text.utf8), from: 0), as: UTF8.self)
        return configuration
    }
}
