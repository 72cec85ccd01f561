import Foundation
import TestSupport
import Testing
import Training

/// A run of the first version of the checkpoint format goes on, and predicts.
@Suite struct CompatibilityTests {
    let folder = TemporaryFolder()

    func fixture(_ name: String) throws -> String {
        try #require(Bundle.module.url(forResource: "Fixtures/format-1/\(name)", withExtension: nil)).path
    }

    @Test func firstFormat() throws {
        let old = try fixture("step-00000004.h5"), images = try fixture("train-volume.tif"), labels = try fixture("train-labels.tif")
        let checkpoint = try Checkpoint(path: old)
        #expect(checkpoint.progress.step == 4 && checkpoint.progress.position == 8)
        #expect(checkpoint.parametersHash == "f729951c84a8972dbe2722be3248b555511f638a9d53c8497e75af1514977ac4")
        #expect(checkpoint.optimizerHash == "ebaa0e8c2416ec2e98924274b03b96428612f50833ed397bfd86ae6b872f1008")
        #expect(checkpoint.parameters.count == 16 && checkpoint.parameters.allSatisfy { $0.average != nil })

        let store = folder / "run/checkpoints"
        try FileManager.default.createDirectory(atPath: store, withIntermediateDirectories: true)
        try FileManager.default.copyItem(atPath: old, toPath: "\(store)/step-00000004.h5")
        let training = [
            "train", "--images", images, "--labels", labels, "--output", folder / "run", "--validation", "1", "--base-channels", "1",
            "--depth", "1", "--crop", "16", "--batch-size", "2", "--steps", "6", "--checkpoint-every", "4", "--weight-averaging", "0.9",
        ]
        // With the same settings: options that are newer than the file have the values that it was made with.
        let resumed = try Program.run(training, ranks: 2)
        #expect(resumed.status == 0 && resumed.errors.contains("going on from \(store)/step-00000004.h5"), "\(resumed.errors)")
        let output = folder / "masks.tif"
        let predicted = try Program.run(["predict", "--checkpoint", old, "--images", images, "--output", output])
        #expect(predicted.status == 0 && FileManager.default.fileExists(atPath: output), "\(predicted.errors)")
    }
}
