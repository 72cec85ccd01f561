import Foundation

/// The weights as a file of PyTorch's own, what `torch.save(network.state_dict(), …)` writes: a zip archive with a pickle that says which
/// tensors there are, and their numbers. It is only ever written: reading a pickle runs what stands in it.
enum PyTorchStateDictionary {
    /// Hands the file's bytes to `write`.
    static func write(_ weights: [PortableNetwork.Weight], _ write: @escaping (UnsafeRawBufferPointer) throws -> Void) throws {
        var archive = ZipArchive(write)
        try archive.add("archive/data.pkl", pickle(weights))
        try archive.add("archive/byteorder", "little".utf8)
        for (number, weight) in weights.enumerated() {
            try weight.values.withUnsafeBytes { try archive.add("archive/data/\(number)", $0) }
        }
        try archive.add("archive/version", "3\n".utf8)
        try archive.finish()
    }

    /// An ordered dictionary from names to tensors, in version 2 of the pickle protocol.
    private static func pickle(_ weights: [PortableNetwork.Weight]) -> [UInt8] {
        var code: [UInt8] = [0x80, 2]
        func text(_ text: String) {
            code.append(UInt8(ascii: "X"))
            withUnsafeBytes(of: UInt32(text.utf8.count).littleEndian) { code += $0 }
            code += text.utf8
        }
        func integer(_ value: Int) {
            code.append(UInt8(ascii: "J"))
            withUnsafeBytes(of: Int32(value).littleEndian) { code += $0 }
        }
        func global(_ module: String, _ name: String) { code += "c\(module)\n\(name)\n".utf8 }
        func tuple(_ items: () -> Void) {
            code.append(UInt8(ascii: "("))
            items()
            code.append(UInt8(ascii: "t"))
        }
        func emptyDictionary() {
            global("collections", "OrderedDict")
            code += ")R".utf8
        }
        emptyDictionary()
        code.append(UInt8(ascii: "("))
        for (number, weight) in weights.enumerated() {
            text(weight.name)
            global("torch._utils", "_rebuild_tensor_v2")
            tuple {
                tuple {
                    text("storage")
                    global("torch", "FloatStorage")
                    text("\(number)")
                    text("cpu")
                    integer(weight.values.count)
                }
                code.append(UInt8(ascii: "Q"))
                integer(0)
                tuple { weight.shape.forEach(integer) }
                tuple { for axis in weight.shape.indices { integer(weight.shape[(axis + 1)...].reduce(1, *)) } }
                // It needs no gradient, and has no hooks.
                code.append(0x89)
                emptyDictionary()
            }
            code.append(UInt8(ascii: "R"))
        }
        code += "u.".utf8
        return code
    }

    /// unet.py, which loads them.
    static var module: [UInt8] { PackageResources.unet_py }
}
