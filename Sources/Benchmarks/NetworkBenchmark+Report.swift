import Model
import Training

extension NetworkBenchmark {
    /// The figures of a network's steps or predictions.
    public struct Report: BenchmarkReport {
        let work: Work
        let configuration: TrainingConfiguration
        let size: (height: Int, width: Int)
        let machine: BenchmarkMachine
        let verification: NetworkVerification
        let timing: Timing
        /// Of one forward pass of one sample.
        let directMultiplyAdds: Int
        let profile: StepProfile?
        /// MiB, of the rank that has most.
        let memoryBefore: Double
        let peakMemory: Double
        /// Whether the peak leaves out what the verification took.
        let isPeakReset: Bool

        private var gigaflop: Double { 2 * Double(directMultiplyAdds * work.passes * configuration.batchSize) / 1e9 }
        private var directGflops: Double { gigaflop / timing.median }

        /// What may mislead, for standard error.
        public var warnings: [String] {
            isPeakReset
                ? machine.plan.warnings
                : machine.plan.warnings + ["the peak memory includes the verification: /proc/self/clear_refs cannot be written"]
        }

        /// A few lines, and the tables of the profile.
        public var text: String {
            let name = work == .step ? "training step" : "prediction"
            let errors = verification.gradient.map { ", gradient off by \(scientific($0))" } ?? ""
            var lines = [
                machine.text,
                "\(configuration.architecture), base channels \(configuration.baseChannels), \(size.height)x\(size.width), batch of \(configuration.batchSize)",
                "verified against double precision: logits off by \(scientific(verification.logits))\(errors)",
                "",
                "\(name): median \(duration(timing.median)), best \(duration(timing.best)) of \(timing.seconds.count)",
                "\(fixed(Double(configuration.batchSize) / timing.median, 3)) images/s",
                "\(fixed(directGflops, 1)) GFLOP/s of direct convolutions, \(percentage(directGflops / machine.jointPeak)) of the FMA peak",
                "peak memory \(fixed(peakMemory, 0)) MiB a rank, \(fixed(memoryBefore, 0)) MiB before the network was built",
            ]
            if let profile { lines += ["", profile.text] }
            return lines.joined(separator: "\n")
        }

        /// One object.
        public var json: JSONValue {
            var fields: [(String, JSONValue)] = [
                ("step_median_s", .number(timing.median)), ("step_best_s", .number(timing.best)),
                ("step_times_s", .array(timing.seconds.map { .number($0) })),
                ("images_per_s", .number(Double(configuration.batchSize) / timing.median)), ("direct_gflops", .number(directGflops)),
            ]
            fields += machine.fields
            fields += [
                ("peak_share", .number(directGflops / machine.jointPeak)), ("peak_memory_mib", .number(peakMemory)),
                ("memory_before_mib", .number(memoryBefore)), ("architecture", .text(configuration.architecture)),
                ("base_channels", .integer(configuration.baseChannels)), ("height", .integer(size.height)), ("width", .integer(size.width)),
                ("batch_size", .integer(configuration.batchSize)),
                (
                    "verification",
                    .object([
                        ("logits_relative_error", .number(verification.logits)),
                        ("gradient_relative_error", verification.gradient.map { .number($0) } ?? .null),
                    ])
                ),
            ]
            if let profile { fields.append(("profile", profile.json)) }
            return .object(fields)
        }
    }
}
