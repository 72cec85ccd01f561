import CounterRandom
import Synchronization

/// One element of the global stream of samples: a slice, and which of its crops.
public struct Sample: Equatable, Sendable {
    /// Place in the stream, 0… without end; the key of every random decision about the sample.
    public let position: Int
    /// `position` over the length of an epoch.
    public let epoch: Int
    /// Slice of the dataset, 0 ..< slices.
    public let slice: Int
    /// Which crop of the slice, 0 ..< cropsPerSlice.
    public let crop: Int
}

/// The one global stream of samples: epoch after epoch, each a random permutation of all slices times `cropsPerSlice`.
///
/// Step s of a training with global batch B takes the positions s·B ..< (s+1)·B. A batch may straddle epochs, so there is no partial
/// batch, no duplicate and no drop. Any rank can look up any position without having seen the ones before it: the order of an epoch
/// is a pure function of (seed, epoch).
public struct SampleStream: Sendable {
    /// Number of slices of the dataset.
    public let slices: Int
    /// How often a slice is taken in an epoch.
    public let cropsPerSlice: Int
    /// Seed of the permutations.
    public let seed: UInt64
    private let cache = PermutationCache()

    /// The stream over `slices` slices. Both counts are positive, their product is below 2³¹.
    public init(slices: Int, cropsPerSlice: Int, seed: UInt64) {
        precondition(
            slices > 0 && cropsPerSlice > 0 && slices < (1 << 31) / cropsPerSlice,
            "SampleStream: \(slices) slices × \(cropsPerSlice) crops is not in 1..<2^31")
        self.slices = slices
        self.cropsPerSlice = cropsPerSlice
        self.seed = seed
    }

    /// Number of samples in an epoch.
    public var epochLength: Int { slices * cropsPerSlice }

    /// The sample at `position` (0 or more). May be called from several threads.
    public func sample(at position: Int) -> Sample {
        precondition(position >= 0, "SampleStream: position \(position) is negative")
        let (epoch, index) = position.quotientAndRemainder(dividingBy: epochLength)
        let item = Int(cache.permutation(of: epoch) { Self.permutation(count: epochLength, seed: seed, epoch: epoch) }[index])
        return Sample(position: position, epoch: epoch, slice: item / cropsPerSlice, crop: item % cropsPerSlice)
    }

    /// The order of one epoch: 0 ..< `count` shuffled by Fisher and Yates (Knuth's algorithm P) with counter-based numbers.
    package static func permutation(count: Int, seed: UInt64, epoch: Int) -> [UInt32] {
        var random = RandomStream(seed: seed, purpose: .permutation, position: UInt64(epoch))
        var order = Array(0..<UInt32(count))
        for i in stride(from: count - 1, to: 0, by: -1) { order.swapAt(i, random.nextInteger(below: i + 1)) }
        return order
    }
}

/// The permutations of the last two epochs asked for: a batch that straddles epochs needs both.
private final class PermutationCache: Sendable {
    private let entries = Mutex<[(epoch: Int, order: [UInt32])]>([])

    func permutation(of epoch: Int, make: () -> [UInt32]) -> [UInt32] {
        entries.withLock { entries in
            if let hit = entries.first(where: { $0.epoch == epoch }) { return hit.order }
            let order = make()
            entries = entries.suffix(1) + [(epoch, order)]
            return order
        }
    }
}
