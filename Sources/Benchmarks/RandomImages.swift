import CounterRandom
import Model

/// Images and labels that are the same in each run: uniform noise, and labels of both classes.
struct RandomImages {
    private let images: [[Float]]
    private let positions: Range<Int>
    private let seed: UInt64

    init(_ network: Network, _ positions: Range<Int>, seed: UInt64) {
        (self.positions, self.seed) = (positions, seed)
        let count = network.inputShape.channels * network.inputShape.height * network.inputShape.width
        images = positions.map { position in
            var random = RandomStream(seed: seed, purpose: .synthesis, ordinal: 1, position: UInt64(position))
            return (0..<count).map { _ in random.nextUnit() }
        }
    }

    func fillInput(of network: Network) {
        for (sample, image) in images.enumerated() { image.withUnsafeBufferPointer { network.setInput(sample: sample, $0.baseAddress!) } }
    }

    func fillTargets(of network: Network) {
        for (sample, position) in positions.enumerated() {
            var random = RandomStream(seed: seed, purpose: .synthesis, ordinal: 2, position: UInt64(position))
            let target = network.target(sample: sample)
            for i in target.indices { target[i] = random.nextUnit() < 0.5 ? 0 : 1 }
        }
    }
}
