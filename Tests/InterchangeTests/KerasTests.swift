import Foundation
import Imaging
import Interchange
import TestSupport
import Testing

/// HDF5 of Keras, read and written by Keras itself.
@Suite struct KerasTests {
    /// Our files give in Keras the probabilities that we predict, and Keras' files give here those that Keras predicts.
    @Test func predictionsAreTheSameBothWays() throws {
        let training = try SmallTraining(), folder = training.folder
        try training.train("run", "--architecture", "unet-keras")
        for name in ["model.hdf5", "ours.weights.h5"] {
            try runProgram(["export", "--run", folder / "run", "--output", folder / name, "--format", "keras"])
        }
        let ours = try training.predict(training.checkpoint("run"), "ours.npy")
        try writeNPY(try readVolume(training.images).map { $0 / 255 }, shape: [4, 40, 48, 1], to: folder / "images-scaled.npy")
        try runReader("keras_files.py", [folder.path, "1e-4"])

        let theirs = try readVolume(folder / "theirs.npy")
        #expect(theirs.max()! - theirs.min()! > 0.01, "a constant prediction would agree with anything")
        for name in ["theirs.weights.h5", "theirs-model.h5", "theirs-weights.hdf5"] {
            try runProgram(["import", "--input", folder / name, "--output", folder / "imported.h5"])
            let difference = try largestDifference(training.predict(folder / "imported.h5", "imported.npy"), theirs)
            #expect(difference <= 1e-4, "\(name)")
        }
        // What we have written for Keras comes back with the same bits.
        for name in ["model.hdf5", "ours.weights.h5"] {
            try runProgram(["import", "--input", folder / name, "--output", folder / "imported.h5"])
            #expect(try training.predict(folder / "imported.h5", "imported.npy") == ours, "\(name)")
        }
    }

    @Test func otherNetworksAreRefused() throws {
        let training = try SmallTraining(), folder = training.folder
        try training.train("run", steps: 1)
        let run = try runProgram(["export", "--run", folder / "run", "--output", folder / "a.h5"], status: 64)
        #expect(run.errors.contains("the Keras format is for the architecture unet-keras, and this is unet"))
        #expect(!FileManager.default.fileExists(atPath: folder / "a.h5"))
        let wrongName = try runProgram(
            ["export", "--run", folder / "run", "--format", "keras", "--output", folder / "a.onnx"], status: 64)
        #expect(wrongName.errors.contains("want a name that ends in .h5 or .hdf5"))
    }

    /// A file of a stranger's, with everything that a reader must not believe. Nothing is read of it, and what is wrong is named.
    @Test func strangersFilesAreChecked() throws {
        let folder = TemporaryFolder()
        let one: [Float] = [Float](repeating: 0.5, count: 9 * 4)
        /// 9 convolutions, depth 1, the first of which is as `change` wants it.
        func write(_ name: String, _ change: (HDF5File, _ kernel: String, _ bias: String) throws -> Void) throws -> String {
            let file = try HDF5File(inMemoryNamed: name)
            let layers = (1...9).map { "conv2d_\($0)" }
            try file.setAttribute("layer_names", to: layers)
            try file.setAttribute("keras_version", to: "2.2.4")
            for layer in layers {
                let kernel = "\(layer)/kernel:0", bias = "\(layer)/bias:0"
                try file.createGroup("/\(layer)")
                try file.setAttribute("weight_names", of: "/\(layer)", to: [kernel, bias])
                if layer == "conv2d_1" {
                    try change(file, "/\(layer)/\(kernel)", "/\(layer)/\(bias)")
                } else {
                    try file.write(one, shape: [3, 3, 2, 2], to: "/\(layer)/\(kernel)")
                    try file.write([Float](repeating: 0, count: 2), shape: [2], to: "/\(layer)/\(bias)")
                }
            }
            try Data(try file.image()).write(to: URL(fileURLWithPath: folder / name))
            return folder / name
        }
        func error(_ path: String) -> String {
            do {
                _ = try WeightFile(path: path)
                return "none"
            } catch { return "\(error)" }
        }
        let huge = try write("huge.h5") { file, kernel, bias in
            // A terabyte that takes no room in the file.
            _ = try file.createDataset(
                kernel, shape: [3, 3, 1 << 18, 1 << 18], of: Float.self, storage: .chunked([3, 3, 16, 16], deflate: 1))
            try file.write([0, 0], shape: [2], to: bias)
        }
        #expect(error(huge).contains("dataset /conv2d_1/conv2d_1/kernel:0 has the shape [3, 3, 262144, 262144]"))
        let flat = try write("flat.h5") { file, kernel, bias in
            try file.write(one, shape: [36], to: kernel)
            try file.write([Float](repeating: 0, count: 2), shape: [2], to: bias)
        }
        #expect(error(flat).contains("dataset /conv2d_1/conv2d_1/kernel:0 has the shape [36]"))
        let short = try write("short.h5") { file, kernel, bias in
            try file.write(one, shape: [3, 3, 2, 2], to: kernel)
            try file.write([Float](repeating: 0, count: 3), shape: [3], to: bias)
        }
        #expect(error(short).contains("dataset /conv2d_1/conv2d_1/bias:0 has the shape [3], but its kernel has 2 outputs"))
        let integers = try write("integers.h5") { file, kernel, bias in
            try file.write([Int32](repeating: 1, count: 36), shape: [3, 3, 2, 2], to: kernel)
            try file.write([Float](repeating: 0, count: 2), shape: [2], to: bias)
        }
        #expect(error(integers).contains("dataset /conv2d_1/conv2d_1/kernel:0 does not hold floating-point numbers"))
        let missing = try write("missing.h5") { file, _, bias in try file.write([Float](repeating: 0, count: 2), shape: [2], to: bias) }
        #expect(error(missing).contains("there is no /conv2d_1/conv2d_1/kernel:0"))
        let old = try write("old.h5") { file, kernel, bias in
            try file.write(one, shape: [3, 3, 2, 2], to: kernel)
            try file.write([Float](repeating: 0, count: 2), shape: [2], to: bias)
            try file.setAttribute("keras_version", to: "1.2.2")
        }
        #expect(error(old).contains("written by Keras 1 or older"))
        let whole = try write("whole.h5") { file, kernel, bias in
            try file.write(one, shape: [3, 3, 2, 2], to: kernel)
            try file.write([Float](repeating: 0, count: 2), shape: [2], to: bias)
        }
        #expect(error(whole) == "none")
    }
}
