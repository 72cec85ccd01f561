import Training

extension ScalingBenchmark {
    /// What was measured, and what follows for more ranks.
    public struct Report: BenchmarkReport {
        let machine: BenchmarkMachine
        let configuration: TrainingConfiguration
        let size: (height: Int, width: Int)
        let computation: ScalingModel.Computation
        /// The network between the ranks, if there are several.
        let measured: ScalingModel.Network?
        let wish: NetworkWish
        let job: Job?

        /// The networks that are predicted for.
        private var networks: [(name: String, network: ScalingModel.Network)] {
            let computing = measured?.computingSecondsPerByte ?? 0
            func network(_ name: String, _ bandwidth: Double, _ latency: Double) -> (String, ScalingModel.Network) {
                (name, ScalingModel.Network(latency: latency, bandwidth: bandwidth, computingSecondsPerByte: computing))
            }
            var result = usualGigabits.map { network("\(fixed($0, 0)) Gbit/s", $0 * 1e9 / 8, latency.seconds) }
            if let bandwidth = wish.bandwidth { result.append(network("\(fixed(bandwidth * 8e-9, 2)) Gbit/s", bandwidth, latency.seconds)) }
            if let measured { result.append(("as measured", measured)) }
            return result
        }

        /// Of the usual networks: what the user said, what was measured between hosts (memory is no network), or what is assumed.
        private var latency: (seconds: Double, source: String) {
            if let latency = wish.latency { return (latency, "given") }
            if let measured, let job, job.hosts > 1 { return (measured.latency, "measured") }
            return (assumedLatency, "assumed")
        }

        /// Lines and a table for each number of ranks.
        public var text: String {
            let milliseconds = { (seconds: Double) in fixed(seconds * 1e3, 1) + " ms" }
            var lines = [
                machine.text,
                "\(configuration.architecture), base channels \(configuration.baseChannels), \(size.height)x\(size.width), "
                    + "\(computation.samples) sample\(computation.samples == 1 ? "" : "s") a rank",
                "a rank by itself: forward \(milliseconds(computation.forward)), backward \(milliseconds(computation.backward)), "
                    + "the rest \(milliseconds(computation.rest)); \(fixed(Double(computation.gradientBytes) / 1048576, 1)) MiB of gradients in "
                    + "\(computation.buckets.count) buckets",
            ]
            if let job, let measured {
                lines += [
                    "\(job.ranks) ranks on \(job.hosts) host\(job.hosts == 1 ? ", in its memory" : "s"): "
                        + "\(fixed(measured.latency * 1e6, 1)) µs a message, \(fixed(measured.bandwidth * 8e-9, 2)) Gbit/s each way, "
                        + "\(fixed(measured.computingSecondsPerByte * 1e9, 2)) ns of computing lost for each byte",
                    "a step of this job: \(milliseconds(job.step)), of which exposed \(milliseconds(job.exposed)) "
                        + "(\(percentage(job.exposed / job.step))); the model says \(milliseconds(job.prediction.step)), "
                        + "\(milliseconds(job.prediction.exposed)) (\(percentage(job.prediction.exposed / job.prediction.step)))",
                ]
            }
            lines.append(
                "model: \(fixed(latency.seconds * 1e6, 1)) µs a message (\(latency.source)) at the named bandwidths; one rank a host. Efficiency: the "
                    + "step of one rank over that of all, \(computation.samples) sample\(computation.samples == 1 ? "" : "s") each; in brackets "
                    + "the samples a rank for 90 %")
            var rows: [[String]] = []
            for ranks in rankCounts {
                let cells = networks.map { _, network in
                    let model = ScalingModel(computation: computation, network: network)
                    let samples = model.samples(forEfficiency: 0.9, ranks: ranks).map { "\($0)" } ?? "-"
                    return "\(percentage(model.predict(ranks: ranks).efficiency)) (\(samples))"
                }
                rows.append(["\(ranks)"] + cells)
            }
            var table = TextTable(["ranks"] + networks.map(\.name))
            for row in rows { table.append(row) }
            return lines.joined(separator: "\n") + "\n\n\(table)"
        }

        /// One object.
        public var json: JSONValue {
            var fields = machine.fields
            fields += [
                ("architecture", .text(configuration.architecture)), ("base_channels", .integer(configuration.baseChannels)),
                ("height", .integer(size.height)), ("width", .integer(size.width)), ("samples_a_rank", .integer(computation.samples)),
                ("forward_s", .number(computation.forward)), ("backward_s", .number(computation.backward)),
                ("rest_s", .number(computation.rest)), ("gradient_bytes", .integer(computation.gradientBytes)),
                ("buckets", .integer(computation.buckets.count)), ("latency_us", .number(latency.seconds * 1e6)),
                ("latency_source", .text(latency.source)), ("measured", measuredObject),
            ]
            let predictions = networks.flatMap { name, network in
                rankCounts.map { ranks in
                    let model = ScalingModel(computation: computation, network: network), prediction = model.predict(ranks: ranks)
                    return JSONValue.object([
                        ("network", .text(name)), ("bandwidth_gbits", .number(network.bandwidth * 8e-9)),
                        ("latency_us", .number(network.latency * 1e6)), ("ranks", .integer(ranks)), ("step_s", .number(prediction.step)),
                        ("exposed_s", .number(prediction.exposed)), ("efficiency", .number(prediction.efficiency)),
                        ("samples_for_90_percent", model.samples(forEfficiency: 0.9, ranks: ranks).map { .integer($0) } ?? .null),
                    ])
                }
            }
            return .object(fields + [("predictions", .array(predictions))])
        }

        private var measuredObject: JSONValue {
            guard let job, let measured else { return .null }
            return .object([
                ("ranks", .integer(job.ranks)), ("hosts", .integer(job.hosts)), ("latency_us", .number(measured.latency * 1e6)),
                ("bandwidth_gbits", .number(measured.bandwidth * 8e-9)),
                ("computing_ns_per_byte", .number(measured.computingSecondsPerByte * 1e9)), ("step_median_s", .number(job.step)),
                ("exposed_s", .number(job.exposed)), ("predicted_step_s", .number(job.prediction.step)),
                ("predicted_exposed_s", .number(job.prediction.exposed)),
                (
                    "reductions",
                    .array(job.reductions.map { .object([("bytes", .integer($0.bytes)), ("median_s", .number($0.seconds))]) })
                ),
            ])
        }
    }
}
