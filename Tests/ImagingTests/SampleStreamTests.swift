import Foundation
import Imaging
import Testing

@Suite struct SampleStreamTests {
    @Test func everyEpochHoldsEverySampleOnce() {
        let stream = SampleStream(slices: 7, cropsPerSlice: 3, seed: 5)
        #expect(stream.epochLength == 21)
        for epoch in 0..<4 {
            let samples = (0..<21).map { stream.sample(at: epoch * 21 + $0) }
            #expect(samples.map(\.position) == Array(epoch * 21..<(epoch + 1) * 21))
            #expect(samples.allSatisfy { $0.epoch == epoch })
            #expect(Set(samples.map { [$0.slice, $0.crop] }).count == 21)
            #expect(samples.allSatisfy { (0..<7).contains($0.slice) && (0..<3).contains($0.crop) })
        }
    }

    @Test func orderDependsOnSeedAndEpochAlone() {
        func order(_ seed: UInt64, _ epoch: Int) -> [Int] {
            let stream = SampleStream(slices: 30, cropsPerSlice: 1, seed: seed)
            return (0..<30).map { stream.sample(at: epoch * 30 + $0).slice }
        }
        #expect(order(0, 3) == order(0, 3))
        #expect(Set([order(0, 0), order(0, 1), order(0, 2), order(1, 0), order(1 << 32, 0)]).count == 5)
        #expect(order(0, 0) != Array(0..<30))
    }

    /// Any access pattern sees the same stream: backwards, far ahead, from another stream, with batches that straddle epochs.
    @Test func positionsAreRandomAccess() {
        let forward = SampleStream(slices: 5, cropsPerSlice: 2, seed: 9), other = SampleStream(slices: 5, cropsPerSlice: 2, seed: 9)
        let samples = (0..<100).map { forward.sample(at: $0) }
        for position in (0..<100).reversed() { #expect(other.sample(at: position) == samples[position]) }
        for position in [99, 0, 55, 9, 10] { #expect(forward.sample(at: position) == samples[position]) }
        #expect(forward.sample(at: 10 << 40).epoch == 1 << 40)
    }

    /// A batch of 8 positions from 5 slices, whichever ranks look at it, in whichever shares.
    @Test(arguments: [1, 2, 3, 4, 8]) func ranksShareABatchWithoutOverlap(ranks: Int) {
        let whole = SampleStream(slices: 5, cropsPerSlice: 1, seed: 2)
        for step in 0..<10 {
            let shares = (0..<ranks).map { rank in
                let own = SampleStream(slices: 5, cropsPerSlice: 1, seed: 2)
                return (8 * rank / ranks..<8 * (rank + 1) / ranks).map { own.sample(at: step * 8 + $0) }
            }
            #expect(shares.flatMap { $0 } == (0..<8).map { whole.sample(at: step * 8 + $0) })
        }
    }

    @Test func everyOrderIsAsLikely() {
        var counts: [[UInt32]: Int] = [:]
        for epoch in 0..<6000 { counts[SampleStream.permutation(count: 3, seed: 4, epoch: epoch), default: 0] += 1 }
        #expect(counts.count == 6)
        // Binomial with mean 1000 and standard deviation 29.
        for count in counts.values { #expect(abs(count - 1000) < 150) }
    }

    @Test func threadsSeeTheSameStream() {
        let stream = SampleStream(slices: 11, cropsPerSlice: 4, seed: 1)
        let expected = (0..<440).map { stream.sample(at: $0) }
        DispatchQueue.concurrentPerform(iterations: 440) { k in
            let position = (k * 97) % 440
            #expect(stream.sample(at: position) == expected[position])
        }
    }
}
