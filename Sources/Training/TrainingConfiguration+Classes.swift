import Imaging

// What several classes mean for the other options.
extension TrainingConfiguration {
    /// Throws what no single option can say.
    func validateClasses() throws {
        guard let metric = ValidationMetric(bestMetric) else { preconditionFailure("no metric is called \(bestMetric)") }
        guard let classes else {
            if metric.className == nil { return }
            throw TrainingError(.usage, "--best-metric \(bestMetric) is the score of a class, and there are no --classes")
        }
        if let name = metric.className, !classes.names.contains(name) {
            throw TrainingError(.usage, "--best-metric \(bestMetric): no class is called '\(name)'; there are \(classes)")
        }
        if metric.needsForeground {
            throw TrainingError(.usage, "--best-metric \(bestMetric) is a score of foreground against background; it contradicts --classes")
        }
        if segmentationScoresEvery > 0 {
            throw TrainingError(
                .usage, "--segmentation-scores-every scores the segments of the foreground, which --classes have none of")
        }
    }

    /// Logits of a pixel.
    var outputChannels: Int { classes?.count ?? 1 }
}
