import Foundation
import Testing

/// How the work of a step is divided and its gradients are summed.
extension ReproducibilityTests {
    /// Six slices dealt out to ranks that get one, two or none, or as many as others: the figures of one rank, which are those of predicting
    /// and evaluating them.
    @Test func validationInUnevenShares() throws {
        let validated = [
            "--validation", "0", "--validation-images", volume.images, "--validation-labels", volume.labels, "--validate-every", "1",
            "--batch-size", "8",
        ]
        try train(volume.training("alone", steps: 2) + validated, ranks: 0)
        let expected = try logged("alone").filter { $0["validation_loss"] != nil }
        #expect(expected.count == 2 && expected[0] != expected[1])
        for ranks in [2, 4, 8] {
            try train(volume.training("ranks\(ranks)", steps: 2) + validated, ranks: ranks)
            #expect(try logged("ranks\(ranks)").filter { $0["validation_loss"] != nil } == expected, "\(ranks) ranks")
        }
        let prediction = volume.folder / "prediction.tif"
        try train(
            ["predict", "--checkpoint", volume.checkpoint("alone", step: 2), "--images", volume.images, "--output", prediction], ranks: 0)
        let scores = try Program.run(["evaluate", "--prediction", prediction, "--labels", volume.labels, "--json"])
        let object = try JSONSerialization.jsonObject(with: Data(scores.output.utf8)) as? [String: Any]
        let accuracy = try #require(object?["pixel_accuracy"] as? Double, "\(scores.errors)")
        #expect(abs(accuracy - (try #require(expected[1]["validation_accuracy"]))) < 1e-9)
    }

    /// A rank's share of the batch in several parts, of equal and of different lengths, more than it has samples among them.
    @Test func accumulation() throws {
        try train(volume.training("alone", steps: 10, "--batch-size", "7"), ranks: 0)
        let expected = try state("alone", step: 10)
        for (ranks, parts) in [(0, 2), (0, 7), (2, 2), (3, 3)] {
            let output = "parts\(parts)of\(ranks)"
            try train(volume.training(output, steps: 10, "--batch-size", "7", "--accumulate", "\(parts)"), ranks: ranks)
            #expect(try state(output, step: 10) == expected, "\(ranks) ranks, \(parts) parts")
            #expect(try logged(output) == logged("alone"))
        }
        let tooMany = try Program.run(volume.training("none", steps: 1, "--accumulate", "5"))
        #expect(tooMany.status == 64 && tooMany.count("--accumulate 5: a batch of 4 has no more than 4 parts") == 1, "\(tooMany.errors)")
    }

    /// The other ways to sum gradients keep the replicas alike, which every step checks, and lead nearly where the reproducible one does. A
    /// run does not change over unasked.
    @Test(arguments: ["fast", "fast-bf16"]) func otherReductions(_ reduction: String) throws {
        let network = ["--base-channels", "32", "--depth", "3", "--batch-size", "9", "--validation", "0", "--reduction", reduction]
        try train(volume.training("alone", steps: 3) + network, ranks: 0)
        let expected = try logged("alone")
        for ranks in [2, 3, 4] {
            let output = "ranks\(ranks)"
            try train(volume.training(output, steps: 3) + network, ranks: ranks)
            let losses = try logged(output)
            // The loss of the first step knows nothing of gradients; after it bfloat16 differs in the third digit of each of them.
            #expect(losses[0]["loss"] == expected[0]["loss"])
            for (loss, other) in zip(losses, expected) { #expect(abs(loss["loss"]! / other["loss"]! - 1) < 2e-2, "\(losses)") }
            #expect(try state(output, step: 3) != state("alone", step: 3), "as if nothing were summed in another order")
        }
        let changed = try Program.run(volume.training("ranks2", steps: 5) + network.dropLast(2), ranks: 2)
        #expect(changed.status == 64 && changed.errors.contains("reduction: reproducible, was \(reduction)"), "\(changed.errors)")
    }
}
