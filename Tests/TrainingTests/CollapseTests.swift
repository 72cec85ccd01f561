import Foundation
import Testing
import Training

/// A network that answers with the class prior is told from one that is only beginning.
@Suite struct CollapseTests {
    typealias Sample = StepAgreement.SampleOutcome

    /// A sample of 1000 pixels that all get the probability `p`, of which `foreground` are foreground.
    func constant(_ p: Double, foreground: Int) -> Sample {
        let loss = -Double(foreground) * log(p) - Double(1000 - foreground) * log(1 - p)
        return Sample(loss: loss, correct: p > 0.5 ? foreground : 1000 - foreground, classes: [1000 - foreground, foreground])
    }

    func verdicts(_ detector: inout CollapseDetector, _ samples: [Sample], steps: Int, isDead: Bool) -> [CollapseDetector.Verdict] {
        (0..<steps).map { _ in detector.observe(samples) { isDead } }
    }

    @Test func deadNetworks() {
        var detector = CollapseDetector(comparesEntropy: true)
        let prior = [constant(0.78, foreground: 760), constant(0.78, foreground: 800)]
        let first = verdicts(&detector, prior, steps: 20, isDead: true)
        #expect(first.prefix(19).allSatisfy { $0 == .none } && first[19] == .dead(steps: 20))
        // A single step with a gradient ends the row.
        detector = CollapseDetector(comparesEntropy: true)
        _ = verdicts(&detector, prior, steps: 19, isDead: true)
        #expect(verdicts(&detector, prior, steps: 1, isDead: false) == [.none])
        #expect(verdicts(&detector, prior, steps: 19, isDead: true).allSatisfy { $0 == .none })
        #expect(verdicts(&detector, prior, steps: 1, isDead: true) == [.dead(steps: 20)])
        // Without the entropy of a plain cross-entropy the gradient decides alone.
        detector = CollapseDetector(comparesEntropy: false)
        let odd = prior.map { Sample(loss: 1, correct: $0.correct, classes: $0.classes) }
        #expect(verdicts(&detector, odd, steps: 20, isDead: true).last == .dead(steps: 20))
        #expect(verdicts(&detector, odd, steps: 2000, isDead: false).allSatisfy { $0 == .none })
    }

    @Test func slowNetworks() {
        var detector = CollapseDetector(comparesEntropy: true)
        let prior = [constant(0.7, foreground: 760), constant(0.7, foreground: 800)]
        let all = verdicts(&detector, prior, steps: 1001, isDead: false)
        #expect(all.enumerated().filter { $1 != .none }.map(\.offset) == [199, 999, 1000])
        #expect(all[199] == .slow(steps: 200) && all[999] == .stuck(steps: 1000))
    }

    @Test func networksThatLearn() {
        var detector = CollapseDetector(comparesEntropy: true)
        let prior = [constant(0.78, foreground: 760), constant(0.78, foreground: 800)]
        // A little better than any constant, though all pixels are on one side of a half.
        let better = prior.map { Sample(loss: $0.loss * 0.995, correct: $0.correct, classes: $0.classes) }
        #expect(verdicts(&detector, better, steps: 300, isDead: false).allSatisfy { $0 == .none })
        // A pixel on the other side.
        let mixed = [prior[0], Sample(loss: prior[1].loss, correct: 799, classes: [200, 800])]
        #expect(verdicts(&detector, mixed, steps: 300, isDead: true).allSatisfy { $0 == .none })
        // Learning ends the row of 199.
        _ = verdicts(&detector, prior, steps: 199, isDead: false)
        _ = verdicts(&detector, better, steps: 1, isDead: false)
        #expect(verdicts(&detector, prior, steps: 199, isDead: false).allSatisfy { $0 == .none })
    }

    /// Where there is one class only a constant is right, and such batches neither count nor end a row.
    @Test func samplesOfOneClass() {
        var detector = CollapseDetector(comparesEntropy: true)
        let all = [Sample(loss: 1, correct: 1000, classes: [0, 1000]), Sample(loss: 1, correct: 1000, classes: [1000, 0])]
        #expect(verdicts(&detector, all, steps: 2000, isDead: true).allSatisfy { $0 == .none })
        let prior = [constant(0.78, foreground: 780)]
        _ = verdicts(&detector, prior, steps: 10, isDead: true)
        _ = verdicts(&detector, all, steps: 5, isDead: true)
        #expect(verdicts(&detector, prior, steps: 10, isDead: true).last == .dead(steps: 20))
    }

    /// A step size far too large shuts both channels before the end of `unet-keras`.
    @Test func aRunThatCollapses() throws {
        let volume = try SmallVolume()
        let options = ["--architecture", "unet-keras", "--learning-rate", "0.5", "--dropout", "0"]
        let stopped = try Program.run(volume.training("run", steps: 200) + options, ranks: 3)
        #expect(stopped.status == 78 && stopped.count("the network has collapsed: for 20 steps") == 1, "\(stopped.errors)")
        #expect(
            stopped.count("--architecture unet, whose last layers cannot die") == 1 && stopped.count("--seed") == 1, "\(stopped.errors)")
        let warned = try Program.run(volume.training("other", steps: 60) + options + ["--on-collapse", "warn"], ranks: 2)
        #expect(warned.status == 0 && warned.count("the network has collapsed") == 1, "\(warned.errors)")
        let healthy = try Program.run(volume.training("healthy", steps: 60), ranks: 0)
        #expect(healthy.status == 0 && healthy.count("collapsed") == 0 && healthy.count("learned nothing") == 0, "\(healthy.errors)")
    }
}
