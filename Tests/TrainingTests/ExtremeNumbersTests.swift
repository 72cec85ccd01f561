import Foundation
import Imaging
import TestSupport
import Testing

/// Settings and data at the ends of what single precision has: the run ends with what is documented, and nothing that is saved is not a number.
@Suite(.serialized) struct ExtremeNumbersTests {
    let volume = try! SmallVolume()

    private func train(_ output: String, images: String? = nil, rate: String, ranks: Int, _ more: [String] = []) throws -> Program.Outcome {
        var arguments = volume.training(output, steps: 40)
        arguments[arguments.firstIndex(of: "--learning-rate")! + 1] = rate
        if let images { arguments[arguments.firstIndex(of: "--images")! + 1] = images }
        return try Program.run(arguments + ["--on-collapse", "warn"] + more, ranks: ranks)
    }

    /// Checkpoints of a run, each of which must be one that loads and predicts probabilities.
    private func expectSound(_ output: String) throws {
        let folder = volume.folder / "\(output)/checkpoints", prediction = volume.folder / "prediction.npy"
        for name in try FileManager.default.contentsOfDirectory(atPath: folder) where name.hasSuffix(".h5") {
            let predicted = try Program.run([
                "predict", "--checkpoint", "\(folder)/\(name)", "--images", volume.images, "--output", prediction,
            ])
            #expect(predicted.status == 0, "\(name): \(predicted.errors)")
            let volume = try VolumeReader(prediction)
            var values = [Float](repeating: .nan, count: volume.shape.height * volume.shape.width)
            try values.withUnsafeMutableBufferPointer { try volume.readPage(0, into: $0) }
            #expect(values.allSatisfy { (0...1).contains($0) }, "\(name)")
        }
    }

    /// The largest rates that are taken. What overflows is found before it is saved.
    @Test(arguments: [1, 3]) func hugeRates(ranks: Int) throws {
        for (optimizer, more) in [("adam", []), ("sgd", ["--momentum", "0.99"]), ("adamw", ["--weight-decay", "0.5"])] {
            let outcome = try train(optimizer, rate: "9.99", ranks: ranks, ["--optimizer", optimizer] + more)
            #expect([0, 77].contains(outcome.status), "\(optimizer): \(outcome.errors)")
            #expect(outcome.status == 0 || outcome.errors.contains("at step "), "\(optimizer): \(outcome.errors)")
            try expectSound(optimizer)
        }
    }

    /// Rates so small that a parameter plus its update is the parameter: the run goes on to its end.
    @Test func tinyRates() throws {
        for rate in ["1e-30", "1e-44", "5e-324"] {
            let outcome = try train(rate, rate: rate, ranks: 1)
            #expect(outcome.status == 0, "\(rate): \(outcome.errors)")
            try expectSound(rate)
        }
    }

    /// Float images of the smallest and of the largest numbers; normalisation brings them into range, or the program says why not.
    @Test func extremeImages() throws {
        for (name, scale) in [("small", Float(0x1p-140)), ("large", Float(0x1p120))] {
            let images = try volume.write("\(name).tif", type: .float32) { page, y, x in Float((page * 31 + y * 7 + x * 3) % 200) * scale }
            let outcome = try train(name, images: images, rate: "0.001", ranks: 2)
            if outcome.status == 0 {
                try expectSound(name)
            } else {
                #expect([65, 77].contains(outcome.status) && outcome.errors.contains("\(name).tif"), "\(name): \(outcome.errors)")
            }
        }
        for bad in [Float.infinity, -.infinity, .nan] {
            let images = try volume.write("bad.tif", type: .float32) { page, y, x in page == 2 && y == 7 && x == 9 ? bad : Float(x) }
            let outcome = try train("bad", images: images, rate: "0.001", ranks: 2)
            #expect(outcome.status == 65 && outcome.errors.contains("bad.tif"), "\(bad): \(outcome.status) \(outcome.errors)")
        }
    }
}
