import Foundation

/// How long a training step takes on many ranks: what one rank computes, and an α-β model of the messages that backward does not hide.
///
/// A message takes α + bytes/β seconds. The sum of b bytes of gradients over n ranks takes 2 m messages in a row, m = n − 1 where all exchange
/// with all (up to 8 ranks) and m = log₂ n beyond, and 2 (n − 1)/n · b bytes out of and into each rank, at the same time (Thakur, Rabenseifner,
/// Gropp, Optimization of Collective Communication Operations in MPICH, 2005, section 4). Buckets are sent one after the other from the moment at
/// which backward has finished them; what is left when backward ends is exposed. While it sends and adds, the rank does not compute.
///
/// Not in it: ranks that are slower than others, switches that are narrower than the links of all hosts together, and ranks that share a host's
/// link (take ranks for hosts there).
package struct ScalingModel {
    /// What one rank does by itself in a step.
    package struct Computation: Sendable {
        /// Seconds of forward with the loss, of backward, and of the rest (optimizer, checks).
        package var forward: Double, backward: Double, rest: Double
        /// Samples of a rank.
        package var samples: Int
        /// The gradients as backward finishes them, in bytes, and when, in seconds from the beginning of backward.
        package var buckets: [(seconds: Double, bytes: Int)]

        package init(forward: Double, backward: Double, rest: Double, samples: Int, buckets: [(seconds: Double, bytes: Int)]) {
            (self.forward, self.backward, self.rest, self.samples, self.buckets) = (forward, backward, rest, samples, buckets)
        }

        package var total: Double { forward + backward + rest }
        package var gradientBytes: Int { buckets.map(\.bytes).reduce(0, +) }

        /// The same with another number of samples a rank: forward and backward grow with it.
        func scaled(samples: Int) -> Computation {
            let factor = Double(samples) / Double(self.samples)
            return Computation(
                forward: forward * factor, backward: backward * factor, rest: rest, samples: samples,
                buckets: buckets.map { ($0.seconds * factor, $0.bytes) })
        }
    }

    /// What joins the ranks.
    package struct Network: Sendable {
        /// α: seconds of a message without content.
        package var latency: Double
        /// β: bytes a second out of a rank, and as many into it at the same time.
        package var bandwidth: Double
        /// Seconds in which a rank sends, receives and adds a byte of its own traffic, and cannot compute.
        package var computingSecondsPerByte = 0.0

        package init(latency: Double, bandwidth: Double, computingSecondsPerByte: Double = 0) {
            (self.latency, self.bandwidth, self.computingSecondsPerByte) = (latency, bandwidth, computingSecondsPerByte)
        }
    }

    /// A step of one rank among many.
    package struct Prediction: Sendable {
        /// The whole step.
        package var step: Double
        /// The part in which nothing is computed because messages are waited for.
        package var exposed: Double
        /// The step of one rank alone over that of all.
        package var efficiency: Double
    }

    let computation: Computation
    let network: Network

    package init(computation: Computation, network: Network) { (self.computation, self.network) = (computation, network) }

    /// Messages in a row of half a reduction.
    package static func messages(ranks: Int) -> Int { ranks > 8 && ranks.nonzeroBitCount == 1 ? ranks.trailingZeroBitCount : ranks - 1 }

    /// Bytes that a rank sends, and receives, for each byte of gradients.
    package static func traffic(ranks: Int) -> Double { 2 * Double(ranks - 1) / Double(ranks) }

    /// Seconds that the sum of `bytes` takes by itself.
    package func reduction(bytes: Int, ranks: Int) -> Double {
        2 * Double(Self.messages(ranks: ranks)) * network.latency + Self.traffic(ranks: ranks) * Double(bytes) / network.bandwidth
    }

    /// A step of `ranks` ranks that each have the computation's samples.
    package func predict(ranks: Int) -> Prediction {
        guard ranks > 1 else { return Prediction(step: computation.total, exposed: 0, efficiency: 1) }
        // Backward is stretched by what the messages take of the computing thread.
        let traffic = Self.traffic(ranks: ranks) * Double(computation.gradientBytes)
        let backward = computation.backward + traffic * network.computingSecondsPerByte
        let stretch = computation.backward > 0 ? backward / computation.backward : 1
        var end = 0.0
        for bucket in computation.buckets {
            end = max(end, bucket.seconds * stretch) + reduction(bytes: bucket.bytes, ranks: ranks)
        }
        // Losses and checksums are exchanged before backward.
        let agreement = (log2(Double(ranks))).rounded(.up) * network.latency
        let exposed = agreement + max(0, end - backward)
        let step = computation.forward + backward + computation.rest + exposed
        return Prediction(step: step, exposed: exposed, efficiency: computation.total / step)
    }

    /// The fewest samples a rank, up to 65536, with which `ranks` ranks reach an efficiency; `nil` if none are enough.
    package func samples(forEfficiency efficiency: Double, ranks: Int) -> Int? {
        func suffices(_ samples: Int) -> Bool {
            ScalingModel(computation: computation.scaled(samples: samples), network: network).predict(ranks: ranks).efficiency >= efficiency
        }
        // More samples hide more and add nothing to the messages: the efficiency grows with them.
        var lower = 0, upper = 1
        while !suffices(upper) {
            if upper >= 65_536 { return nil }
            (lower, upper) = (upper, 2 * upper)
        }
        while upper - lower > 1 {
            let middle = (lower + upper) / 2
            if suffices(middle) { upper = middle } else { lower = middle }
        }
        return upper
    }

    /// Latency and bandwidth that explain measured reductions of `ranks` ranks, (bytes, seconds), with the smallest relative squared error.
    ///
    /// Seconds = a + c · bytes is linear in a and c. A negative latency, within the noise of a fast network, becomes 0.
    package static func fit(_ measured: [(bytes: Int, seconds: Double)], ranks: Int) -> Network {
        precondition(measured.count >= 2 && ranks > 1, "ScalingModel: \(measured.count) times of \(ranks) ranks")
        // Each equation divided by its time: a/t + c b/t = 1.
        var aa = 0.0, ac = 0.0, cc = 0.0, a1 = 0.0, c1 = 0.0
        for (bytes, seconds) in measured {
            let u = 1 / seconds, v = Double(bytes) / seconds
            aa += u * u
            ac += u * v
            cc += v * v
            a1 += u
            c1 += v
        }
        let determinant = aa * cc - ac * ac
        var constant = (a1 * cc - c1 * ac) / determinant, slope = (aa * c1 - ac * a1) / determinant
        if constant < 0 { (constant, slope) = (0, c1 / cc) }
        return Network(latency: constant / Double(2 * messages(ranks: ranks)), bandwidth: traffic(ranks: ranks) / max(slope, 1e-15))
    }
}
