import Foundation
import Imaging
import TestSupport
import Testing

/// `train --initial-weights`.
@Suite struct InitialWeightsTests {
    private func parametersHash(_ path: String) throws -> String {
        let run = try runProgram(["info", path, "--json"])
        let object = try JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [String: Any]
        return try #require(object?["parameters_sha256"] as? String)
    }

    /// The same weights from each kind of file lead to the same network, on any number of ranks, and to another than random ones.
    @Test func allFormatsBeginAlike() throws {
        let training = try SmallTraining(), folder = training.folder
        try training.train("first", "--architecture", "unet-keras", "--weight-averaging", "0.5")
        var files = [training.checkpoint("first")]
        for name in ["a.safetensors", "a.onnx", "a.hdf5", "a.weights.h5"] {
            try runProgram(["export", "--run", folder / "first", "--output", folder / name])
            files.append(folder / name)
        }
        var hashes: Set<String> = []
        for (number, file) in files.enumerated() {
            let run = try training.train(
                "fine-\(number)", steps: 2, ranks: number == 1 ? 2 : nil, "--architecture", "unet-keras", "--initial-weights", file)
            #expect(run.errors.contains("initial weights: 14 of 14 layers from \(file)"), "\(run)")
            hashes.insert(try parametersHash(folder / "fine-\(number)/checkpoints/step-00000002.h5"))
        }
        #expect(hashes.count == 1, "\(files)")
        try training.train("random", steps: 2, "--architecture", "unet-keras")
        #expect(try !hashes.contains(parametersHash(folder / "random/checkpoints/step-00000002.h5")))
    }

    @Test func layersAreNamed() throws {
        let training = try SmallTraining(), folder = training.folder
        try training.train("keras", steps: 1, "--architecture", "unet-keras")
        let weights = training.checkpoint("keras")
        let partial = try training.train("partial", steps: 1, "--initial-weights", weights)
        #expect(partial.errors.contains("initial weights: 12 of 13 layers from \(weights) (checkpoint)"), "\(partial)")
        #expect(partial.errors.contains("  head: not in the file, starts anew"))
        #expect(partial.errors.contains("  conv5c: in the file only, left alone"))

        let shape = try training.train("shape", steps: 1, status: 65, "--initial-weights", weights, "--base-channels", "8")
        #expect(
            shape.errors.contains("parameter conv1a.weight has the shape [4, 1, 3, 3], the network's conv1a.weight has [8, 1, 3, 3]"),
            "\(shape)")
        #expect(shape.errors.contains("--skip-weights conv1a"))
        let deeper = try training.train(
            "skipped", steps: 1, "--initial-weights", weights, "--skip-weights", "conv1a, conv1b", "--architecture", "unet-keras")
        #expect(deeper.errors.contains("12 of 14 layers") && deeper.errors.contains("  conv1a: skipped, starts anew"), "\(deeper)")
        let unknown = try training.train("unknown", steps: 1, status: 64, "--initial-weights", weights, "--skip-weights", "stem")
        #expect(unknown.errors.contains("no layer is called stem; the network has conv1a, conv1b"), "\(unknown)")
        let norm = try training.train("norm", steps: 1, status: 65, "--initial-weights", weights, "--norm", "batch")
        #expect(norm.errors.contains("conv1a.bias is not wanted"), "\(norm)")
        let missing = try training.train("missing", steps: 1, status: 66, "--initial-weights", folder / "none.h5")
        #expect(missing.errors.contains("there is no such file"), "\(missing)")
        let image = try training.train("image", steps: 1, status: 65, "--initial-weights", training.images)
        #expect(image.errors.contains("no file of weights that is known"), "\(image)")
        let alone = try training.train("alone", steps: 1, status: 64, "--skip-weights", "head")
        #expect(alone.errors.contains("--initial-weights out, which is missing"), "\(alone)")
    }

    /// What counts is what is in the file, not what it is called.
    @Test func contentDecides() throws {
        let training = try SmallTraining(), folder = training.folder
        try training.train("first", steps: 1)
        try training.train("second", steps: 1, "--seed", "1")
        let file = folder / "weights.h5", manager = FileManager.default
        try manager.copyItem(atPath: training.checkpoint("first"), toPath: file)
        try training.train("run", steps: 1, "--initial-weights", file)
        // The same content under another name: the run goes on.
        try manager.moveItem(atPath: file, toPath: folder / "moved.h5")
        try training.train("run", steps: 2, "--initial-weights", folder / "moved.h5")
        try manager.copyItem(atPath: training.checkpoint("second"), toPath: file)
        let changed = try training.train("run", steps: 3, status: 64, "--initial-weights", file)
        #expect(changed.errors.contains("Changed: initial-weights: "), "\(changed)")
        let configuration = try runProgram(["train", "--config", folder / "run/configuration.yaml", "--steps", "3"])
        #expect(configuration.errors.contains("going on from"), "\(configuration)")
    }
}
