import Yams

extension TrainingOption {
    /// When the run must end, and what it does when something goes wrong.
    static let faults: [TrainingOption] = [
        TrainingOption(
            name: "time-limit", placeholder: "auto|none|TIME",
            explanation:
                "Save and end with status 75 before so much time has passed since the start (8h, 90m, 1d12h, 8:00:00); auto: what Slurm or PBS grants.",
            decidesBits: false,
            set: { configuration, node throws(Refusal) in
                switch node.string {
                case "auto": configuration.timeLimit = .automatic
                case "none": configuration.timeLimit = .none
                default: configuration.timeLimit = .after(try timeSpan(node, in: 1...31_536_000, or: "auto, none or "))
                }
            },
            get: {
                switch $0.timeLimit {
                case .automatic: YAMLNode("auto")
                case .none: YAMLNode("none")
                case .after(let span): YAMLNode("\(span)")
                }
            }),
        TrainingOption(
            name: "stall-timeout", placeholder: "TIME",
            explanation:
                "End the job, with status 76, when a rank makes no progress for so long; ten times as long at start, validation and saving. A warning comes after 15 s.",
            decidesBits: false,
            set: { configuration, node throws(Refusal) in configuration.stallTimeout = try timeSpan(node, in: 2...86_400) },
            get: { YAMLNode("\($0.stallTimeout)") }),
        integer(
            "verify-every", \.verifyEvery, 0...Int.max,
            "Steps from one at which each rank computes the gradient of another rank's samples too, to find processors that make mistakes, to the next; a mistake ends the job with status 76. 0: never."
        ),
        choice(
            "on-nonfinite", \.onNonFinite, { NonFinitePolicy.allCases.map(\.rawValue) }, decidesBits: false,
            "When a loss or gradient is infinite or not a number: stop with status 77, or skip the step's update, which is counted."),
        choice(
            "on-collapse", \.onCollapse, { CollapsePolicy.allCases.map(\.rawValue) }, decidesBits: false,
            "When the network gives all pixels the same class and does not get away from it: stop with status 78, or only warn."),
    ]

    /// A length of time in seconds.
    private static func timeSpan(_ node: YAMLNode, in range: ClosedRange<Double>, or alternative: String = "") throws(Refusal) -> TimeSpan {
        guard let span = node.string.flatMap({ TimeSpan($0) }), range.contains(span.seconds) else {
            throw Refusal(
                allowed:
                    "\(alternative)a time with its unit, as in 90s, 45m, 8h, 1d12h or 8:00:00, from \(TimeSpan(seconds: range.lowerBound)) to \(TimeSpan(seconds: range.upperBound)) is allowed"
            )
        }
        return span
    }
}
