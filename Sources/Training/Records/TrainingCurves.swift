/// What the report shows of a run's log, in memory that does not grow with the run.
package struct TrainingCurves {
    /// The curves by the names of the log.
    private var curves: [String: Curve] = [:]
    /// Times of the latest steps.
    package private(set) var timing = StepTiming()
    /// The step of the last line; 0 before the first.
    package private(set) var step = 0
    /// The epoch of the last line.
    package private(set) var epoch = 1

    /// Nothing yet.
    package init() {}

    /// The curves of a log's lines.
    package init(_ entries: [[String: Double]]) {
        self.init()
        for entry in entries { add(entry) }
    }

    /// Adds a line of the log; those without a step do not count.
    package mutating func add(_ entry: [String: Double]) {
        guard let number = entry["step"] else { return }
        step = Int(number)
        epoch = entry["epoch"].map { Int($0) } ?? epoch
        for (name, value) in entry where name != "step" && name != "epoch" { curves[name, default: Curve()].add(step: step, value: value) }
        timing.add(entry)
    }

    /// The curve of this name; one without points if there is none.
    package subscript(name: String) -> Curve { curves[name] ?? Curve() }

    /// The names of the curves that have points and begin so, in alphabetical order.
    package func names(prefix: String) -> [String] { curves.keys.filter { $0.hasPrefix(prefix) }.sorted() }
}

/// Where the time of a run's latest steps went.
package struct StepTiming {
    /// Steps that count, at most.
    package static let limit = 1000
    /// What is told of, by the names of the log, in seconds.
    static let names = ["compute_s", "exposed_communication_s", "overlapped_communication_s", "input_wait_s"]

    private var steps: [Int] = []
    private var times: [[Double]] = []
    /// The place that the next step takes, once `limit` are there.
    private var next = 0

    mutating func add(_ entry: [String: Double]) {
        let values = Self.names.compactMap { entry[$0] }
        guard let step = entry["step"], values.count == Self.names.count else { return }
        if steps.count < Self.limit {
            steps.append(Int(step))
            times.append(values)
        } else {
            (steps[next], times[next]) = (Int(step), values)
            next = (next + 1) % Self.limit
        }
    }

    /// The median of each kind of time over the steps after `step`, of all if there are none; `nil` without any steps.
    package func medians(after step: Int) -> (compute: Double, exposed: Double, overlapped: Double, inputWait: Double, steps: Int)? {
        var chosen = steps.indices.filter { steps[$0] > step }
        if chosen.isEmpty { chosen = Array(steps.indices) }
        guard !chosen.isEmpty else { return nil }
        let medians = Self.names.indices.map { kind in
            let sorted = chosen.map { times[$0][kind] }.sorted()
            return (sorted[(sorted.count - 1) / 2] + sorted[sorted.count / 2]) / 2
        }
        return (medians[0], medians[1], medians[2], medians[3], chosen.count)
    }
}
