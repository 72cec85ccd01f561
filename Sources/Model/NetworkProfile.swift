import Glibc

/// Where the time of a network's passes goes, layer by layer. A network keeps one only while someone measures (`Network.profile`).
///
/// It is a stopwatch that is read after every piece of work, on the thread that calls the passes: the time of a piece includes what its
/// threads wait for each other.
public final class NetworkProfile {
    /// A piece of work on one layer.
    public enum Work: Int, CaseIterable, Sendable {
        /// Values.
        case forward
        /// The samples' parameter gradients.
        case parameterGradient
        /// The inputs' gradients.
        case inputGradient
        /// Additions of the samples' parameter gradients.
        case gradientSum
    }

    /// Seconds of each layer's pieces, `Work.allCases.count` for each.
    private var seconds: [Double]
    /// Seconds of the loss, its gradient included.
    public private(set) var loss = 0.0
    private var last: UInt64 = 0

    /// A profile of a network of `layers` layers, everything zero.
    init(layers: Int) { seconds = Array(repeating: 0, count: layers * Work.allCases.count) }

    /// Seconds spent so far on a piece of work of layer `layer`, counted as in `Network.layers`.
    public func seconds(_ work: Work, layer: Int) -> Double { seconds[layer * Work.allCases.count + work.rawValue] }

    /// Back to zero.
    public func reset() {
        for i in seconds.indices { seconds[i] = 0 }
        loss = 0
    }

    /// Starts the stopwatch.
    func begin() { last = NetworkProfile.now() }

    /// Adds the time since the last reading to a layer's piece of work.
    func add(_ work: Work, layer: Int) { seconds[layer * Work.allCases.count + work.rawValue] += lap() }

    /// Adds the time since the last reading to the loss.
    func addLoss() { loss += lap() }

    private func lap() -> Double {
        let now = NetworkProfile.now()
        defer { last = now }
        return Double(now - last) * 1e-9
    }

    private static func now() -> UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }
}
