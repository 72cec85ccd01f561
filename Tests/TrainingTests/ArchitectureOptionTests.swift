import Foundation
import Imaging
import Testing

/// Decoders, normalisations and architectures from the command line to the prediction.
@Suite(.serialized) struct ArchitectureOptionTests {
    let volume = try! SmallVolume()

    private func train(_ output: String, steps: Int = 6, ranks: Int, _ more: [String]) throws -> [String: String] {
        let outcome = try Program.run(volume.training(output, steps: steps) + more, ranks: ranks)
        #expect(outcome.status == 0, "\(outcome.errors)")
        return try Program.info(volume.checkpoint(output, step: steps)).filter {
            ["parameters_sha256", "optimizer_sha256", "loss", "validation_loss"].contains($0.key)
        }
    }

    /// Batch normalisation meets in the middle of forward and backward: same bits at any number of ranks and threads, and after a resume.
    @Test func batchNormalization() throws {
        let options = ["--norm", "batch", "--batch-size", "6", "--decoder", "transpose", "--checkpoint-every", "3"]
        let expected = try train("alone", ranks: 0, options)
        #expect(expected.count == 4)
        for (ranks, threads) in [(2, 2), (3, 1), (4, 1)] {
            #expect(try train("r\(ranks)", ranks: ranks, options + ["--threads", "\(threads)"]) == expected, "\(ranks) ranks")
        }
        _ = try train("resumed", steps: 3, ranks: 2, options)
        #expect(try train("resumed", ranks: 3, options) == expected, "resumed")
    }

    @Test(arguments: ["group", "instance"]) func normalization(_ name: String) throws {
        let options = ["--norm", name, "--architecture", name == "group" ? "unet-residual" : "attention-unet"]
        let expected = try train("alone", ranks: 0, options)
        #expect(try train("two", ranks: 2, options + ["--threads", "2"]) == expected)
        #expect(try train("low", ranks: 2, options + ["--memory", "low"]) == expected)
    }

    /// The network without padding: samples that reach beyond the slice, validation of whole slices, and a prediction of their size.
    @Test func unpadded() throws {
        // Depth 2: sides of 44, 48, 52, 56, …; the outputs are 40 pixels smaller.
        let options = ["--architecture", "unet-valid", "--crop", "56x64", "--validate-every", "3"]
        let expected = try train("alone", ranks: 0, options)
        #expect(try train("two", ranks: 2, options) == expected && Double(try #require(expected["validation_loss"]))! < 2)
        let output = volume.folder / "probabilities.tif"
        let outcome = try Program.run([
            "predict", "--checkpoint", volume.checkpoint("alone", step: 6), "--images", volume.images, "--output", output,
        ])
        #expect(outcome.status == 0, "\(outcome.errors)")
        let shape = try VolumeReader(output).shape
        #expect((shape.pages, shape.height, shape.width) == (volume.pages, volume.height, volume.width))
        for (crop, text) in [("64x57", "--crop 64x60 or --crop 64x56"), ("40", "44"), ("84x88", "40")] {
            let refused = try Program.run(volume.training("refused") + ["--architecture", "unet-valid", "--crop", crop])
            #expect(refused.status == 64 && refused.errors.contains(text), "\(refused.errors)")
        }
    }

    @Test func contradictionsAreRefused() throws {
        for (options, text) in [
            (["--norm", "batch", "--memory", "low"], "--memory low"), (["--norm", "batch", "--accumulate", "2"], "--accumulate 2"),
            (["--architecture", "unet-keras", "--norm", "group"], "unet-keras"),
            (["--architecture", "unet-keras", "--decoder", "transpose"], "unet-keras"), (["--norm", "layer"], "none or group"),
            (["--decoder", "deconvolve"], "upsample or transpose"),
        ] {
            let outcome = try Program.run(volume.training("refused") + options)
            #expect(outcome.status == 64 && outcome.errors.contains(text), "\(outcome.errors)")
        }
    }
}
