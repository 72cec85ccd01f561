import Foundation
import TestSupport
import Testing
import Training

/// `--verify-every`: gradients that are computed twice, on different ranks.
@Suite(.serialized) struct GradientVerificationTests {
    let volume = try! SmallVolume()

    func state(_ output: String) throws -> [String: String] {
        try Program.info(volume.checkpoint(output, step: 20)).filter { ["parameters_sha256", "optimizer_sha256"].contains($0.key) }
    }

    func run(_ output: String, ranks: Int, fault: String? = nil, _ more: String...) throws -> Program.Outcome {
        try Program.run(
            volume.training(output) + more, ranks: ranks, limit: 60, environment: fault.map { ["UNET_TEST_FAULT": $0] } ?? [:])
    }

    /// No false alarm, and the same bits as without: parts of the batch that are alike (2 ranks of 2 samples), that differ (3 ranks: 2, 1, 1),
    /// in several parts each, and with every kind of reduction.
    @Test func changesNothing() throws {
        #expect(try run("plain", ranks: 0).status == 0)
        for (ranks, more) in [
            (0, []), (2, []), (3, []), (4, []), (2, ["--accumulate", "2"]), (3, ["--memory", "low"]),
            (3, ["--batch-size", "7", "--augment", "strong"]), (2, ["--reduction", "fast"]), (2, ["--border-weight", "4"]),
        ] as [(Int, [String])] {
            let output = "verified-\(ranks)-\(more.joined())"
            let outcome = try Program.run(volume.training(output) + ["--verify-every", "3"] + more, ranks: ranks)
            #expect(outcome.status == 0 && !outcome.errors.contains("warning: rank"), "\(outcome.errors)")
            if more.isEmpty || more[0] != "--batch-size" && more[0] != "--border-weight" && more[0] != "--reduction" {
                #expect(try state(output) == state("plain"), "\(output)")
            }
        }
    }

    /// A bit of a weight or of a gradient that changes on one rank is found at a verified step, blamed on that rank, and never saved.
    @Test(arguments: ["forward", "backward"], [0, 1, 2]) func aFlippedBitIsFound(phase: String, rank: Int) throws {
        let outcome = try run("run", ranks: 3, fault: "\(rank):12:\(phase):flip", "--verify-every", "4")
        #expect(outcome.status == 76, "\(outcome.errors)")
        let line = outcome.errors.split(separator: "\n").first { $0.contains("computed a wrong gradient") } ?? ""
        #expect(line.hasPrefix("rank \(rank) (") && line.contains("verifying the gradients of step 12"), "\(outcome.errors)")
        #expect(line.contains("rank \(rank) computed a wrong gradient") && line.contains("the last step found right is 8"), "\(line)")
        #expect(!FileManager.default.fileExists(atPath: volume.checkpoint("run", step: 15)))
        #expect(try run("run", ranks: 2).status == 0)
        #expect(try run("plain", ranks: 0).status == 0)
        #expect(try state("run") == state("plain"))
    }

    /// One rank alone computes everything twice, which shows what happens once.
    @Test func aRankAloneFindsWhatHappensOnce() throws {
        let outcome = try run("run", ranks: 0, fault: "0:12:backward:flip", "--verify-every", "6")
        #expect(outcome.status == 76 && outcome.errors.contains("rank 0 computed a wrong gradient"), "\(outcome.errors)")
    }

    @Test func batchNormIsRefused() throws {
        let outcome = try run("run", ranks: 0, "--verify-every", "6", "--norm", "batch")
        #expect(outcome.status == 64 && outcome.errors.contains("--verify-every"), "\(outcome.errors)")
    }

    /// Who is to blame: the rank itself or the one that computed its gradient as well, by what all have the second time.
    @Test func verdicts() {
        func suspects(own: UInt64, replayed: UInt64, again: [UInt64], rank: Int = 1, verifier: Int = 0) -> [Int] {
            GradientVerification.Verdict(rank: rank, verifier: verifier, own: own, replayed: replayed, again: again).suspects
        }
        #expect(suspects(own: 9, replayed: 5, again: [5, 5, 5]) == [1])
        #expect(suspects(own: 5, replayed: 9, again: [5, 5, 5]) == [0])
        #expect(suspects(own: 9, replayed: 5, again: [5, 9, 5]) == [1])
        #expect(suspects(own: 5, replayed: 9, again: [8, 5, 5]) == [0])
        // A third one is wrong as well.
        #expect(suspects(own: 9, replayed: 5, again: [5, 5, 5, 7]) == [1, 3])
        // Two ranks can tell what happened once, but not who is always wrong.
        #expect(suspects(own: 9, replayed: 5, again: [5, 5]) == [1])
        #expect(suspects(own: 9, replayed: 5, again: [5, 9]) == [0, 1])
        #expect(suspects(own: 9, replayed: 5, again: [5], rank: 0) == [0])
    }
}
