import Foundation
import Imaging

/// A package of the BioImage Model Zoo: a zip archive of weights in several formats, a description (version 0.5.4 of the format), a page of
/// documentation, a picture, and an input with the output that is expected of it.
/// https://github.com/bioimage-io/spec-bioimage-io
package struct BioImagePackage {
    /// The version of the description's format: the oldest that has everything that is said here.
    static let formatVersion = "0.5.4"

    /// An array as NumPy has it, [1, channels, height, width].
    package struct TestTensor: Sendable {
        /// `uint8`, `uint16` or `float32`
        package let type: PixelType
        /// Its lengths.
        package let shape: [Int]
        /// Its values, row-major.
        package let values: [Float]

        /// A tensor from its parts; integers are in the range of their type.
        package init(type: PixelType, shape: [Int], values: [Float]) { (self.type, self.shape, self.values) = (type, shape, values) }

        /// A file of NumPy.
        var npy: [UInt8] {
            let header = NPYHeader.bytes(type, shape: shape)
            switch type {
            case .uint8: return header + values.map { UInt8($0) }
            case .uint16: return header + values.flatMap { value in withUnsafeBytes(of: UInt16(value).littleEndian) { Array($0) } }
            default: return header + values.withUnsafeBytes { Array($0) }
            }
        }
    }

    /// Title; letters, digits, blanks and "_+-()", from 5 to 128 of them.
    package var name: String
    /// What it is for.
    package var description: String
    /// Who has made it.
    package var authors: [String]
    /// As SPDX calls it.
    package var license: String
    /// How it was trained and what it scores, in lines of Markdown.
    package var training: [String], scores: [String]
    /// Raw pixel values, and the probabilities that they give.
    package var input: TestTensor, output: TestTensor
    /// Pixels at each edge of the output that are not to be trusted in the middle of a larger image.
    package var halo: Int
    /// The picture: a PNG file, as wide as high or twice.
    package var cover: [UInt8]

    /// A package from its parts.
    package init(
        name: String, description: String, authors: [String], license: String, training: [String], scores: [String], input: TestTensor,
        output: TestTensor, halo: Int, cover: [UInt8]
    ) {
        (self.name, self.description, self.authors, self.license) = (name, description, authors, license)
        (self.training, self.scores, self.input, self.output, self.halo, self.cover) = (training, scores, input, output, halo, cover)
    }

    /// Writes the archive. Keras' weights are in it where the network is one of the Keras program.
    ///
    /// - Throws: `InterchangeError` if something is too large for the formats, `ImagingError` if the file cannot be written.
    package func write(_ network: PortableNetwork, to path: String) throws {
        let file = try AtomicFile(path)
        var archive = ZipArchive { try file.write($0) }
        var hashes: [String: String] = [:]
        func add(_ name: String, _ bytes: UnsafeRawBufferPointer) throws {
            hashes[name] = SHA256.hash(bytes)
            try archive.add(name, bytes)
        }
        func add(_ name: String, _ bytes: [UInt8]) throws { try bytes.withUnsafeBytes { try add(name, $0) } }
        let text = BioImageDescription(package: self, network: network)
        try add("README.md", Array(text.readMe.utf8))
        try add("cover.png", cover)
        try add("unet.py", PyTorchStateDictionary.module)
        try add("test-input.npy", input.npy)
        try add("test-output.npy", output.npy)
        var state: [UInt8] = []
        try PyTorchStateDictionary.write(network.pyTorchWeights) { state += $0 }
        try add("weights.pt", state)
        state = []
        try ONNXWriter.bytes(network, path: path).withUnsafeBytes { try add("weights.onnx", $0) }
        if text.hasKeras {
            try KerasWriter.image(network, name: "weights.h5", channelsFirst: true).withImage { try add("weights.h5", $0) }
        }
        // The description has the hashes of all others.
        try archive.add("bioimageio.yaml", Array(try text.yaml(hashes: hashes).utf8))
        try archive.finish()
        try file.commit()
    }
}
