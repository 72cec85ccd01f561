import Foundation
import Imaging

/// The safetensors format: a length (8 bytes, little endian), that much JSON, and the numbers of all tensors without gaps.
/// https://huggingface.co/docs/safetensors
package enum Safetensors {
    /// What the JSON says of a tensor.
    private struct Entry: Codable {
        var dtype: String
        var shape: [Int]
        var data_offsets: [Int]
    }

    /// The JSON: tensors by name, and texts under `__metadata__`.
    private struct Header: Codable {
        var entries: [String: Entry] = [:]
        var metadata: [String: String] = [:]

        struct Key: CodingKey {
            var stringValue: String
            var intValue: Int? { nil }
            init(stringValue: String) { self.stringValue = stringValue }
            init?(intValue: Int) { nil }
        }
        static let metadataKey = Key(stringValue: "__metadata__")

        init() {}
        init(from decoder: any Decoder) throws {
            let container = try decoder.container(keyedBy: Key.self)
            for key in container.allKeys {
                if key.stringValue == Self.metadataKey.stringValue {
                    metadata = try container.decode([String: String].self, forKey: key)
                } else {
                    entries[key.stringValue] = try container.decode(Entry.self, forKey: key)
                }
            }
        }
        func encode(to encoder: any Encoder) throws {
            var container = encoder.container(keyedBy: Key.self)
            try container.encode(metadata, forKey: Self.metadataKey)
            for (name, entry) in entries { try container.encode(entry, forKey: Key(stringValue: name)) }
        }
    }

    /// The longest JSON that the format's own library takes.
    private static let longestHeader = 100_000_000
    /// Bytes of a number of each type that weights may have.
    private static let sizes = ["F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1]

    /// Writes a network's weights as PyTorch names and orders them, all float32.
    ///
    /// - Throws: `ImagingError` if the file cannot be written.
    package static func write(_ network: PortableNetwork, to path: String) throws {
        let weights = network.pyTorchWeights
        var header = Header(), end = 0
        // PyTorch's own tools insist on `format`.
        header.metadata = try network.metadata.merging(["format": "pt"]) { old, _ in old }
        for weight in weights {
            let bytes = 4 * weight.values.count
            header.entries[weight.name] = Entry(dtype: "F32", shape: weight.shape, data_offsets: [end, end + bytes])
            end += bytes
        }
        var text = Array(try jsonText(header).utf8)
        // The numbers begin at a multiple of eight.
        text += [UInt8](repeating: 0x20, count: (8 - text.count % 8) % 8)
        let file = try AtomicFile(path)
        try withUnsafeBytes(of: UInt64(text.count).littleEndian) { try file.write($0) }
        try text.withUnsafeBytes { try file.write($0) }
        for weight in weights { try weight.values.withUnsafeBytes { try file.write($0) } }
        try file.commit()
    }

    /// Opens a file and checks everything that its JSON claims.
    static func open(_ file: InputFile) throws -> WeightFile {
        func invalid(_ text: String) -> InterchangeError { InterchangeError(.invalid, "\(file.path): \(text)") }
        let length = try file.bytes(at: 0, count: 8).reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        guard length <= UInt64(min(longestHeader, file.size - 8)) else {
            throw invalid("no safetensors file, or cut short: its header should have \(length) bytes, the file has \(file.size)")
        }
        let text = try file.bytes(at: 8, count: Int(length)), header: Header
        do {
            header = try JSONDecoder().decode(Header.self, from: Data(text))
        } catch {
            throw invalid("the header is not that of a safetensors file: \(error)")
        }
        let data = 8 + Int(length)
        // The format allows neither gaps nor overlaps: what is announced is what is there.
        var end = 0
        for (name, entry) in header.entries.sorted(by: {
            ($0.value.data_offsets.first ?? 0, $0.key) < ($1.value.data_offsets.first ?? 0, $1.key)
        }) {
            guard let size = sizes[entry.dtype] else { throw invalid("tensor \(name) is of type \(entry.dtype), which is not known") }
            var count = 1, isSound = entry.data_offsets.count == 2 && entry.data_offsets[0] == end
            for length in entry.shape {
                let (product, overflow) = count.multipliedReportingOverflow(by: length)
                isSound = isSound && length >= 0 && !overflow && product < 1 << 48
                count = overflow ? 0 : product
            }
            guard isSound, (end...file.size - data).contains(entry.data_offsets[1]), entry.data_offsets[1] - end == count * size else {
                throw invalid(
                    "tensor \(name) \(entry.shape) of type \(entry.dtype) cannot lie at the bytes \(entry.data_offsets) of \(file.size - data)"
                )
            }
            end = entry.data_offsets[1]
        }
        guard end == file.size - data else { throw invalid("the tensors take \(end) bytes, but \(file.size - data) are there") }
        let weights = header.entries.sorted { $0.value.data_offsets[0] < $1.value.data_offsets[0] }.map { name, entry in
            StoredWeight(name: name, place: "tensor \(name)", shape: entry.shape) {
                let bytes = try file.bytes(at: data + entry.data_offsets[0], count: entry.data_offsets[1] - entry.data_offsets[0])
                guard let values = floats(bytes, entry.dtype) else {
                    throw InterchangeError(
                        .invalid, "\(file.path): tensor \(name) holds \(entry.dtype); weights are F32, F64, F16 or BF16")
                }
                return values
            }
        }
        return WeightFile(
            path: file.path, format: "safetensors", weights: weights,
            description: try WeightFile.description(in: header.metadata, path: file.path))
    }

    /// Floating-point numbers of the type that is called `dtype`; nil if it is another.
    private static func floats(_ bytes: [UInt8], _ dtype: String) -> [Float]? {
        func load<T>(_ type: T.Type, _ convert: (T) -> Float) -> [Float] {
            bytes.withUnsafeBytes { buffer in
                (0..<buffer.count / MemoryLayout<T>.size).map {
                    convert(buffer.loadUnaligned(fromByteOffset: $0 * MemoryLayout<T>.size, as: T.self))
                }
            }
        }
        switch dtype {
        case "F32": return load(Float.self) { $0 }
        case "F64": return load(Double.self) { Float($0) }
        case "F16": return load(UInt16.self) { Float(Float16(bitPattern: $0)) }
        case "BF16": return load(UInt16.self) { Float(bitPattern: UInt32($0) << 16) }
        default: return nil
        }
    }
}
