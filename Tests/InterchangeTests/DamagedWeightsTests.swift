import Foundation
import Imaging
import Interchange
import Testing

/// Files of weights that are not what they claim: each is refused with what is wrong, and nothing crashes.
@Suite struct DamagedWeightsTests {
    private let folder = TemporaryFolder()

    private func error(_ bytes: [UInt8]) throws -> String {
        let path = folder / "a.safetensors"
        try Data(bytes).write(to: URL(fileURLWithPath: path))
        do {
            for weight in try WeightFile(path: path).weights { _ = try weight.read() }
            return "none"
        } catch { return "\(error)" }
    }

    private func safetensors(_ header: String, data: Int) -> [UInt8] {
        withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian) { Array($0) } + header.utf8 + [UInt8](repeating: 0, count: data)
    }

    @Test(arguments: [
        (#"{"a.weight":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]}}"#, 16, "none"),
        (#"{"a.weight":{"dtype":"BF16","shape":[2,2],"data_offsets":[0,8]}}  "#, 8, "none"),
        (#"{"a.weight":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]}}"#, 15, "cannot lie at the bytes [0, 16] of 15"),
        (#"{"a.weight":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]}}"#, 17, "the tensors take 16 bytes, but 17 are there"),
        (#"{"a.weight":{"dtype":"F32","shape":[2,2],"data_offsets":[4,20]}}"#, 20, "tensor a.weight"),
        (#"{"a.weight":{"dtype":"F32","shape":[2,3],"data_offsets":[0,16]}}"#, 16, "tensor a.weight"),
        (#"{"a.weight":{"dtype":"F32","shape":[-2,-2],"data_offsets":[0,16]}}"#, 16, "tensor a.weight"),
        (#"{"a.weight":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}}"#, 0, "tensor a.weight"),
        (#"{"a.weight":{"dtype":"F32","shape":[9223372036854775807,9223372036854775807,4],"data_offsets":[0,16]}}"#, 16, "tensor a.weight"),
        (#"{"a.weight":{"dtype":"F32","shape":[4],"data_offsets":[16,0]}}"#, 16, "tensor a.weight"),
        (#"{"a.weight":{"dtype":"F32","shape":[4],"data_offsets":[0]}}"#, 16, "tensor a.weight"),
        (#"{"a.weight":{"dtype":"Q4","shape":[4],"data_offsets":[0,16]}}"#, 16, "type Q4"),
        (#"{"a.weight":{"dtype":"I32","shape":[4],"data_offsets":[0,16]}}"#, 16, "weights are F32, F64, F16 or BF16"),
        (#"{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]},"b":{"dtype":"F32","shape":[4],"data_offsets":[8,24]}}"#, 24, "tensor b"),
        (#"{"a.weight": 5}"#, 16, "the header is not that of a safetensors file"),
        (#"{"a.weight""#, 16, "the header is not that of a safetensors file"),
    ]) func safetensorsHeaders(_ header: String, _ data: Int, _ expected: String) throws {
        let error = try error(safetensors(header, data: data))
        #expect(error == expected || (expected != "none" && error.contains(expected)), "\(error)")
    }

    /// Every length of a file, and every byte of its beginning changed: an error or weights, never a crash.
    @Test func cutAndChangedFiles() throws {
        let test = NetworkCase(architecture: "unet", normalization: .batch)
        let rule = try test.inputSize
        let portable = try test.portable(try test.network(height: rule.smallest, width: rule.smallest))
        try Safetensors.write(portable, to: folder / "whole.safetensors")
        try ONNXWriter.write(portable, to: folder / "whole.onnx")
        for name in ["whole.safetensors", "whole.onnx"] {
            let whole = [UInt8](try Data(contentsOf: URL(fileURLWithPath: folder / name)))
            #expect(try error(whole) == "none")
            for length in [1, 7, 8, 9, 20, 100, 1000, whole.count / 2, whole.count - 1] {
                #expect(try error(Array(whole[..<length])) != "none", "\(name) of \(length) bytes")
            }
            for place in 0..<64 {
                var changed = whole
                changed[place] ^= 0x41
                _ = try error(changed)
            }
        }
        for text in ["PK\u{3}\u{4} and more", "no weights at all, but long enough to be read", "{}"] {
            #expect(try error(Array(text.utf8)) != "none", "\(text)")
        }
    }
}
