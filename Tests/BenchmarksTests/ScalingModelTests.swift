import Benchmarks
import Testing

/// The model of scaling, against cases that can be reckoned by hand.
@Suite struct ScalingModelTests {
    /// 3 s of backward after 1 s of forward, 0.5 s for the rest, gradients of 300 bytes.
    private func model(_ buckets: [(Double, Int)], latency: Double = 0, bandwidth: Double = 100, computing: Double = 0) -> ScalingModel {
        ScalingModel(
            computation: .init(forward: 1, backward: 3, rest: 0.5, samples: 2, buckets: buckets.map { ($0.0, $0.1) }),
            network: .init(latency: latency, bandwidth: bandwidth, computingSecondsPerByte: computing))
    }

    @Test func whatBackwardHides() {
        // Two ranks: each byte of gradient goes out and comes in once. All of it only when backward is done: 3 s are seen.
        let late = model([(3, 300)]).predict(ranks: 2)
        #expect(abs(late.exposed - 3) < 1e-12 && abs(late.step - 7.5) < 1e-12 && abs(late.efficiency - 0.6) < 1e-12)
        // All at once at the start: hidden.
        let early = model([(0, 300)]).predict(ranks: 2)
        #expect(early.exposed == 0 && early.efficiency == 1)
        // 1.5 s from 1 s on; the next waits for it and takes until 4 s; 1 s is seen.
        let queue = model([(1, 150), (2, 150)]).predict(ranks: 2)
        #expect(abs(queue.exposed - 1) < 1e-12)
        // 1024 ranks: nearly 2 bytes for each.
        let many = model([(3, 300)]).predict(ranks: 1024)
        #expect(abs(many.exposed - 6 * 1023 / 1024) < 1e-12)
    }

    @Test func messagesAndComputing() {
        // Losses: 1, 2, 10 messages in a row; the sum: 2 · 1, 2 · 3, 2 · 10.
        for (ranks, messages) in [(2, 3), (4, 8), (1024, 30)] {
            let prediction = model([(3, 0)], latency: 0.1).predict(ranks: ranks)
            #expect(abs(prediction.exposed - 0.1 * Double(messages)) < 1e-12, "\(ranks): \(prediction)")
        }
        // All exchange with all where halving does not go.
        #expect(ScalingModel.messages(ranks: 12) == 11 && ScalingModel.messages(ranks: 16) == 4 && ScalingModel.messages(ranks: 8) == 7)
        // A hundredth of a second a byte: 3 s more of backward, in which nothing waits.
        let busy = model([(0, 300)], computing: 0.01).predict(ranks: 2)
        #expect(abs(busy.step - 7.5) < 1e-12 && busy.exposed == 0)
        #expect(model([(3, 300)]).predict(ranks: 1).efficiency == 1)
    }

    @Test func samplesForAnEfficiency() throws {
        // k samples: 2k of forward and backward, 0.5 of the rest, gradients at the end of backward: 3 s on two ranks. (2k + 0.5) / (2k + 3.5) is
        // 0.9 from k = 13.25 on.
        let samples = model([(3, 300)]).samples(forEfficiency: 0.9, ranks: 2)
        #expect(samples == 14)
        #expect(model([(0, 3)]).samples(forEfficiency: 0.9, ranks: 2) == 1)
        #expect(model([(3, 300)], bandwidth: 1e-6).samples(forEfficiency: 0.9, ranks: 2) == nil)
    }

    @Test(arguments: [2, 4, 16]) func fitFindsWhatItWasMadeOf(ranks: Int) {
        let truth = model([], latency: 40e-6, bandwidth: 1.2e8)
        let measured = [1 << 16, 1 << 18, 1 << 20, 1 << 22].map { (bytes: $0, seconds: truth.reduction(bytes: $0, ranks: ranks)) }
        let network = ScalingModel.fit(measured, ranks: ranks)
        #expect(abs(network.latency / 40e-6 - 1) < 1e-6 && abs(network.bandwidth / 1.2e8 - 1) < 1e-6, "\(network)")
        // Noise that would make the latency negative.
        let odd = ScalingModel.fit([(1000, 1e-6), (1_000_000, 2e-3), (4_000_000, 8e-3)], ranks: ranks)
        #expect(odd.latency == 0 && odd.bandwidth > 0)
    }
}
