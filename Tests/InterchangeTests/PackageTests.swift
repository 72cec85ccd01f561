import Foundation
import Imaging
import TestSupport
import Testing

/// Packages of the BioImage Model Zoo.
@Suite struct PackageTests {
    /// No option is needed beside the run; the archive is what unzip and a reader of YAML take, and every hash in it is right.
    @Test func packageNeedsNoOptions() throws {
        let training = try SmallTraining(), folder = training.folder
        try training.train("run", "--architecture", "unet-keras")
        try runProgram(["export", "--run", folder / "run", "--output", folder / "package.zip"])
        try runReader("package_contents.py", [folder / "package.zip", "weights.h5"])
        // Nothing of it depends on when it was made.
        let first = try Data(contentsOf: URL(fileURLWithPath: folder / "package.zip"))
        try runProgram(["export", "--run", folder / "run", "--output", folder / "package.zip"])
        #expect(try Data(contentsOf: URL(fileURLWithPath: folder / "package.zip")) == first)
    }

    @Test func imagesThatAreGoneAreNamed() throws {
        let training = try SmallTraining(), folder = training.folder
        try training.train("run", steps: 1)
        try FileManager.default.moveItem(atPath: training.images, toPath: folder / "elsewhere.tif")
        let run = try runProgram(["export", "--run", folder / "run", "--output", folder / "package.zip"], status: 66)
        #expect(run.errors.contains("images.tif") && run.errors.contains("--sample"), "\(run)")
        #expect(!FileManager.default.fileExists(atPath: folder / "package.zip"))
        try runProgram(["export", "--run", folder / "run", "--output", folder / "package.zip", "--sample", folder / "elsewhere.tif"])
        try runReader("package_contents.py", [folder / "package.zip"])
    }

    /// The zoo's own test passes for every entry of weights.
    @Test(
        .enabled(if: ProcessInfo.processInfo.environment["UNET_TEST_ALL"] == "1", "long: it starts PyTorch and Keras"),
        arguments: [
            ["--architecture", "unet-keras"], ["--architecture", "unet", "--norm", "group", "--normalization", "slice"],
            ["--architecture", "unet-valid", "--crop", "60"],
            ["--architecture", "attention-unet", "--norm", "batch", "--decoder", "transpose", "--normalization", "volume"],
        ])
    func zooTestPasses(_ options: [String]) throws {
        let training = try SmallTraining(height: 64, width: 72), folder = training.folder
        let run = try ProgramRun.run(
            "unet-mpi",
            [
                "train", "--images", training.images, "--labels", training.labels, "--output", folder / "run", "--steps", "6",
                "--batch-size", "2", "--crop", "32", "--base-channels", "4", "--depth", "2", "--validation", "1", "--threads", "1",
            ] + options)
        #expect(run.status == 0, "\(run)")
        try runProgram(["export", "--run", folder / "run", "--output", folder / "package.zip"])
        let formats = ["pytorch_state_dict", "onnx"] + (options.contains("unet-keras") ? ["keras_hdf5"] : [])
        try runReader("package_test.py", [folder / "package.zip"] + formats, in: Readers.all)
    }
}
