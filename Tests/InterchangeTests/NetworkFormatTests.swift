import Foundation
import Imaging
import Interchange
import Kernels
import Model
import TestSupport
import Testing

/// ONNX and safetensors of every architecture, read by those for whom they are written.
@Suite struct NetworkFormatTests {
    /// For each case a network in both formats, and images of two sizes with the probabilities that we compute.
    static func writeCases(to folder: TemporaryFolder) throws {
        for test in NetworkCase.all {
            let name = test.testDescription, rule = try test.inputSize
            let network = try test.network(height: rule.smallest, width: rule.smallest)
            let portable = try test.portable(network)
            try ONNXWriter.write(portable, to: folder / "\(name).onnx")
            try Safetensors.write(portable, to: folder / "\(name).safetensors")
            for (number, height, width) in [
                (0, rule.atLeast(rule.smallest + 20), rule.atLeast(32)), (1, rule.atLeast(52), rule.atLeast(64)),
            ] {
                let planned = try test.network(height: height, width: width, sharing: network)
                let pixels = test.channels * height * width, output = planned.outputShape
                var random = TestRandom(seed: UInt64(number) + 3), images: [Float] = [], probabilities: [Float] = []
                for sample in 0..<2 {
                    let image = (0..<pixels).map { _ in (random.next() + 1) / 2 }
                    planned.setInput(sample: sample, image)
                    images += image
                }
                planned.forward()
                for sample in 0..<2 {
                    var values = [Float](repeating: 0, count: output.channels * output.height * output.width)
                    planned.probabilities(sample: sample, into: &values)
                    probabilities += values
                }
                try writeNPY(images, shape: [2, test.channels, height, width], to: folder / "\(name)-\(number)-input.npy")
                try writeNPY(
                    probabilities, shape: [2, output.channels, output.height, output.width], to: folder / "\(name)-\(number)-output.npy")
            }
        }
    }

    @Test func onnxruntimeComputesWhatWeDo() throws {
        let folder = TemporaryFolder()
        try Self.writeCases(to: folder)
        // 1e-4 is what is promised; measured are 3e-5 and less.
        try runReader("onnx_outputs.py", [folder.path, "\(NetworkCase.all.count)", "1e-4"])
        // The reference library of the format reads them, and finds what PyTorch expects of names and shapes.
        try runReader("safetensors_names.py", [folder.path, "\(NetworkCase.all.count)"])
    }

    @Test(.enabled(if: ProcessInfo.processInfo.environment["UNET_TEST_ALL"] == "1", "long: it starts PyTorch"))
    func pyTorchComputesWhatWeDo() throws {
        let folder = TemporaryFolder()
        try Self.writeCases(to: folder)
        try runReader("pytorch_outputs.py", [folder.path, "\(NetworkCase.all.count)", "1e-4"], in: Readers.all)
    }

    /// What is written is read back, bit by bit, into a network of other weights.
    @Test(arguments: NetworkCase.all) func readsBackTheSameBits(_ test: NetworkCase) throws {
        let folder = TemporaryFolder(), rule = try test.inputSize
        let network = try test.network(height: rule.smallest, width: rule.smallest)
        let portable = try test.portable(network)
        var files = [folder / "a.safetensors", folder / "a.onnx"]
        try Safetensors.write(portable, to: files[0])
        try ONNXWriter.write(portable, to: files[1])
        if test.architecture == "unet-keras" {
            files += [folder / "a.hdf5", folder / "a.weights.h5"]
            for file in files.suffix(2) { try KerasWriter.write(portable, to: file) }
        }
        for file in files {
            let other = try test.network(height: rule.smallest, width: rule.smallest, isRandom: false)
            let weights = try WeightFile(path: file)
            #expect(weights.description == (weights.format.hasPrefix("Keras") ? nil : portable.description))
            let assignment = try WeightAssignment(of: weights, to: other)
            #expect(assignment.missing == [] && assignment.unknown == [] && assignment.remarks == [])
            try assignment.load(into: other)
            for (a, b) in zip(network.parameters, other.parameters) {
                let (mine, theirs) = (a.values(in: network.parameterMemory.pointer), b.values(in: other.parameterMemory.pointer))
                #expect(mine == theirs, "\(a.name) in \(file)")
            }
        }
    }
}
