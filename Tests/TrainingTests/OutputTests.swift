import Foundation
import Imaging
import TestSupport
import Testing
import Training

/// Outputs as other programs see them: sizes of pixels, types, ranges, and objects.
@Suite(.serialized) struct OutputTests {
    let folder = TemporaryFolder()
    static let nanometres = VolumeMetadata(pixelWidth: 4, pixelHeight: 5, zSpacing: 50, unit: "nm")

    /// What tifffile says of a file: type, shape, axes, resolution in pixels per unit, ImageJ's metadata, and OME's sizes.
    struct Seen: Decodable {
        var dtype: String
        var shape: [Int]
        var axes: String
        var resolution: [Double]?
        var imagej: [String: Value]?
        var ome: [String: String]?
        var values: [Double]

        enum Value: Decodable, Equatable {
            case number(Double), text(String)
            init(from decoder: any Decoder) throws {
                let container = try decoder.singleValueContainer()
                self = try (try? container.decode(Double.self)).map(Value.number) ?? .text(container.decode(String.self))
            }
        }
    }

    func seen(_ path: String) throws -> Seen {
        let run = try Readers.run("Fixtures/read_tiff.py", [path])
        #expect(run.status == 0, "\(run.errors)")
        return try JSONDecoder().decode(Seen.self, from: Data(run.output.utf8))
    }

    func isNear(_ a: Double?, _ b: Double) -> Bool { a.map { abs($0 - b) <= 1e-5 * abs(b) } ?? false }

    /// Images whose pixels have a size, and a network that has seen them.
    func trained() throws -> (images: String, checkpoint: String) {
        let volume = try SmallVolume()
        let source = try VolumeReader(volume.images)
        let images = folder / "images.tif"
        let writer = try makeVolumeWriter(path: images, shape: source.shape, pixelType: .uint8, metadata: Self.nanometres)
        var page = [Float](repeating: 0, count: source.shape.pageCount)
        for k in 0..<source.shape.pages {
            try page.withUnsafeMutableBufferPointer { try source.readPage(k, into: $0) }
            try page.withUnsafeBufferPointer { try writer.append($0) }
        }
        try writer.close()
        try FileManager.default.copyItem(atPath: volume.labels, toPath: folder / "labels.tif")
        let outcome = try Program.run(volume.training("run", steps: 30, "--learning-rate", "0.005"))
        #expect(outcome.status == 0, "\(outcome.errors)")
        try FileManager.default.copyItem(atPath: volume.folder / "run/checkpoints/best.h5", toPath: folder / "best.h5")
        return (images, folder / "best.h5")
    }

    @Test func pixelSizesTravel() throws {
        let (images, checkpoint) = try trained()
        func run(_ arguments: String...) throws {
            let outcome = try Program.run(arguments)
            #expect(outcome.status == 0, "\(outcome.errors)")
        }
        func predict(_ name: String, _ more: String...) throws -> String {
            let outcome = try Program.run(
                ["predict", "--checkpoint", checkpoint, "--images", images, "--output", folder / name, "--threads", "1"] + more)
            #expect(outcome.status == 0, "\(outcome.errors)")
            return folder / name
        }
        try run("split", images, "--output", folder / "slices")
        try run("merge", folder / "slices", "--output", folder / "merged.tif")
        try run("augment", "--images", images, "--labels", folder / "labels.tif", "--count", "2", "--output", folder / "augmented")
        let probability = try predict("probability.tif"), mask = try predict("mask.tif", "--threshold", "0.5")
        let objects = try predict("objects.tif", "--type", "objects")
        for path in [probability, mask, objects, folder / "merged.tif", folder / "augmented/images.tif", folder / "augmented/labels.tif"] {
            let seen = try seen(path)
            #expect(isNear(seen.resolution?[0], 0.25) && isNear(seen.resolution?[1], 0.2), "\(path): \(seen)")
            #expect(seen.imagej?["unit"] == .text("nm") && seen.imagej?["spacing"] == .number(50), "\(path): \(seen)")
            #expect(seen.axes == "ZYX" && seen.shape.count == 3, "\(path): \(seen)")
        }
        // One page has no distance to the next; what its file said is kept all the same.
        #expect(isNear(try seen(folder / "slices/0.tif").resolution?[1], 0.2))

        let p = try seen(probability), m = try seen(mask), o = try seen(objects)
        #expect(p.dtype == "float32" && p.imagej?["min"] == .number(0) && p.imagej?["max"] == .number(1), "\(p)")
        #expect(m.dtype == "uint8" && m.values == [0, 255, 0, 255] && m.imagej?["max"] == .number(255), "\(m)")
        #expect(o.dtype == "int32" && o.values.prefix(3) == [0, 1, 2] && o.values.last! > 20, "\(o)")

        // OME-XML, by name and by option; of each other's, too.
        for path in [try predict("probability.ome.tif"), try predict("by-option.tif", "--ome")] {
            let seen = try seen(path), ome = seen.ome ?? [:]
            #expect(seen.imagej == nil && seen.axes == "ZYX" && seen.dtype == "float32", "\(seen)")
            for (axis, size) in [("X", 4.0), ("Y", 5), ("Z", 50)] {
                #expect(Double(ome["PhysicalSize\(axis)"] ?? "") == size && ome["PhysicalSize\(axis)Unit"] == "nm", "\(ome)")
            }
            #expect(try VolumeReader(path).metadata == Self.nanometres)
        }
        let back = folder / "back.tif"
        try FileManager.default.createDirectory(atPath: folder / "ome", withIntermediateDirectories: true)
        try FileManager.default.moveItem(atPath: folder / "probability.ome.tif", toPath: folder / "ome/p.ome.tif")
        try run("merge", folder / "ome", "--output", back)
        #expect(isNear(try seen(back).resolution?[0], 0.25))

        // HDF5 has µm.
        let sizes = try HDF5File(path: predict("p.h5")).numbers("element_size_um", of: "/exported_data", as: Double.self)
        #expect(zip(sizes, [0.05, 0.005, 0.004]).allSatisfy { abs($0 - $1) < 1e-8 }, "\(sizes)")
        try run("merge", folder / "slices", "--output", folder / "m.h5")
        #expect(try VolumeReader(folder / "m.h5").metadata.unit == "µm")
        let refused = try Program.run(["predict", "--checkpoint", checkpoint, "--images", images, "--output", folder / "x.h5", "--ome"])
        #expect(refused.status == 64 && refused.errors.contains("x.h5"), "\(refused.errors)")
    }

    /// Objects are the mask's 4-connected components, each page's with numbers of their own; the same in all formats and on any number of ranks.
    @Test func objectsAreComponentsOfTheMask() throws {
        let (images, checkpoint) = try trained()
        func predict(_ name: String, ranks: Int, _ more: String...) throws -> [[Float]] {
            let outcome = try Program.run(
                ["predict", "--checkpoint", checkpoint, "--images", images, "--output", folder / name, "--threads", "1"] + more,
                ranks: ranks)
            #expect(outcome.status == 0, "\(outcome.errors)")
            let volume = try VolumeReader(folder / name)
            return try (0..<volume.shape.pages).map { page in
                var samples = [Float](repeating: 0, count: volume.shape.pageCount)
                try samples.withUnsafeMutableBufferPointer { try volume.readPage(page, into: $0) }
                return samples
            }
        }
        let mask = try predict("mask.tif", ranks: 0, "--threshold", "0.4")
        let objects = try predict("objects.tif", ranks: 0, "--type", "objects", "--threshold", "0.4")
        #expect(try predict("tiles.h5", ranks: 3, "--type", "objects", "--threshold", "0.4", "--tile", "16", "--overlap", "12").count == 6)
        for name in ["objects.h5", "objects.npy"] {
            #expect(try predict(name, ranks: 2, "--type", "objects", "--threshold", "0.4") == objects)
            #expect(try VolumeReader(folder / name).pixelType == .int32)
        }
        var seen: Set<Float> = [0]
        for (page, numbers) in zip(mask, objects) {
            #expect(zip(page, numbers).allSatisfy { ($0 > 0) == ($1 > 0) })
            // Flood from each pixel that no object before it had: all of its component, and nothing else, has its number.
            var visited = [Bool](repeating: false, count: page.count)
            for start in page.indices where page[start] > 0 && !visited[start] {
                #expect(seen.insert(numbers[start]).inserted, "a number is there twice")
                var queue = [start]
                visited[start] = true
                while let pixel = queue.popLast() {
                    #expect(numbers[pixel] == numbers[start])
                    let (y, x) = (pixel / 48, pixel % 48)
                    for (ny, nx) in [(y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)] where (0..<40).contains(ny) && (0..<48).contains(nx) {
                        let next = ny * 48 + nx
                        if page[next] > 0 && !visited[next] {
                            visited[next] = true
                            queue.append(next)
                        }
                    }
                }
            }
        }
        #expect(seen == Set((0..<seen.count).map { Float($0) }) && seen.count > 20, "\(seen.count)")
    }
}
