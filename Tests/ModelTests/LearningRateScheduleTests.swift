import Foundation
import Model
import Testing

@Suite struct LearningRateScheduleTests {
    /// PyTorch's StepLR, CosineAnnealingLR up to its end, and PolynomialLR.
    @Test(arguments: [
        ("step", LearningRateSchedule.Decay.step(every: 4, factor: 0.3)), ("cosine", .cosine(steps: 25, final: 1e-3)),
        ("polynomial", .polynomial(steps: 15, power: 0.9, final: 0)),
    ]) func agreesWithPyTorch(_ name: String, _ decay: LearningRateSchedule.Decay) throws {
        let expected = try Fixture("training").file.read("schedules/\(name)", as: Double.self)
        let schedule = LearningRateSchedule(peak: 0.1, decay: decay)
        #expect(expected.count == 20 && Set(expected).count > 4)
        for (i, rate) in expected.enumerated() { #expect(abs(schedule.rate(at: i + 1) - rate) < 1e-15 * 0.1 * 30, "step \(i + 1)") }
    }

    @Test func constant() {
        let schedule = LearningRateSchedule(peak: 0.3)
        #expect([1, 2, 1_000_000].allSatisfy { schedule.rate(at: $0) == 0.3 })
    }

    /// From peak / W at the first step to the peak at step W; what follows begins there, and stays at its end.
    @Test func warmUp() {
        for decay in [LearningRateSchedule.Decay.constant, .cosine(steps: 30, final: 0.1), .polynomial(steps: 30, power: 2, final: 0.1)] {
            let schedule = LearningRateSchedule(peak: 0.8, warmupSteps: 8, decay: decay)
            for step in 1...8 { #expect(abs(schedule.rate(at: step) - 0.1 * Double(step)) < 1e-15) }
            #expect(schedule.rate(at: 9) == 0.8)
            if decay != .constant {
                #expect(schedule.rate(at: 10) < 0.8 && schedule.rate(at: 30) > 0.1)
                #expect(schedule.rate(at: 31) == 0.1 && schedule.rate(at: 1000) == 0.1)
                // Half way between steps 9 and 31.
                let middle = schedule.rate(at: 20)
                #expect(abs(middle - (decay == .cosine(steps: 30, final: 0.1) ? 0.45 : 0.1 + 0.7 / 4)) < 1e-14)
            }
        }
        // The falls of `step` are counted from the first step of all.
        let step = LearningRateSchedule(peak: 0.8, warmupSteps: 8, decay: .step(every: 10, factor: 0.5))
        #expect(step.rate(at: 10) == 0.8 && step.rate(at: 11) == 0.4 && step.rate(at: 21) == 0.2)
    }

    @Test func scaling() {
        #expect(LearningRateScaling.none.factor(batch: 64, reference: 8) == 1)
        #expect(LearningRateScaling.linear.factor(batch: 64, reference: 8) == 8)
        #expect(LearningRateScaling.sqrt.factor(batch: 32, reference: 8) == 2)
        #expect(LearningRateScaling.linear.factor(batch: 4, reference: 8) == 0.5)
    }
}
