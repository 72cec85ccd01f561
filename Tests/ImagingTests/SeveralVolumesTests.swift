import Foundation
import Imaging
import TestSupport
import Testing

/// Folders of slices, and several volumes as one.
@Suite struct SeveralVolumesTests {
    /// Writes pages of 4×6 pixels; pixel i of a page is `value` + page + i.
    func write(_ path: String, pages: Int = 1, width: Int = 6, type: PixelType = .uint8, value: Int) throws {
        let shape = VolumeShape(pages: pages, height: 4, width: width)
        let writer = try makeVolumeWriter(path: path, shape: shape, pixelType: type)
        for page in 0..<pages {
            try (0..<shape.pageCount).map { Float(value + page + $0) }.withUnsafeBufferPointer { try writer.append($0) }
        }
        try writer.close()
    }

    @Test func foldersAreInNaturalOrder() throws {
        try withTemporaryFolder { folder in
            for number in [10, 2, 1, 100] { try write("\(folder)/s\(number).tif", value: number) }
            try PNG.write(grey: (0..<24).map { UInt8(30 + $0) }, width: 6, height: 4, to: folder + "/s30.png")
            try Data("x".utf8).write(to: URL(fileURLWithPath: folder + "/notes.txt"))
            try Data("x".utf8).write(to: URL(fileURLWithPath: folder + "/.s3.tif"))
            let volume = try VolumeReader(folder)
            #expect(volume.shape == VolumeShape(pages: 5, height: 4, width: 6) && volume.pixelType == .uint8)
            #expect(try (0..<5).map { try page($0, of: volume)[0] } == [1, 2, 10, 30, 100])
            #expect(try page(3, of: volume)[23] == 53)
            #expect(volume.place(ofPage: 2) == (folder + "/s10.tif", 0))

            try write(folder + "/s7.tif", width: 5, value: 0)
            expectError(.invalid, "s7.tif", "alike", "s1.tif") { _ = try VolumeReader(folder) }
        }
    }

    @Test func emptyFolders() throws {
        try withTemporaryFolder { folder in
            expectError(.missing, folder, ".png") { _ = try VolumeReader(folder) }
        }
    }

    @Test func filesThatChangeAreNoticed() throws {
        try withTemporaryFolder { folder in
            for number in 0..<2 { try write("\(folder)/\(number).tif", value: number) }
            let volume = try VolumeReader(folder)
            try write(folder + "/1.tif", width: 5, value: 0)
            expectError(.invalid, "1.tif", "changed") { _ = try page(1, of: volume) }
        }
    }

    @Test func pagesOfSeveralVolumesFollowEachOther() throws {
        try withTemporaryFolder { folder in
            try write(folder + "/a.tif", pages: 2, value: 0)
            try write(folder + "/b.npy", pages: 3, value: 100)
            let volume = try VolumeReader(VolumePaths([folder + "/a.tif", folder + "/b.npy"]))
            #expect(volume.shape.pages == 5 && volume.sources == [0..<2, 2..<5])
            #expect(try (0..<5).map { try page($0, of: volume)[0] } == [0, 1, 100, 101, 102])
            #expect(volume.place(ofPage: 4) == (folder + "/b.npy", 2))
            try write(folder + "/c.tif", type: .uint16, value: 0)
            expectError(.invalid, "c.tif", "uint16", "uint8") {
                _ = try VolumeReader(VolumePaths([folder + "/a.tif", folder + "/c.tif"]))
            }
        }
    }

    @Test func labelsBelongToTheirImages() throws {
        try withTemporaryFolder { folder in
            for (name, pages) in [("a", 2), ("b", 3), ("la", 2), ("lb", 3), ("lc", 4), ("ld", 1)] {
                try write("\(folder)/\(name).tif", pages: pages, value: 0)
            }
            func open(_ images: [String], _ labels: [String]) throws -> SliceDataset {
                try SliceDataset(
                    images: VolumePaths(images.map { "\(folder)/\($0).tif" }), labels: VolumePaths(labels.map { "\(folder)/\($0).tif" }))
            }
            #expect(try open(["a", "b"], ["la", "lb"]).count == 5)
            expectError(.usage, "2 volumes of images, 1 of labels") { _ = try open(["a", "b"], ["la"]) }
            // Five pages in all, but not of the same volumes.
            expectError(.invalid, "ld.tif", "1 pages", "2 of", "a.tif") { _ = try open(["a", "b"], ["ld", "lc"]) }
            let dataset = try open(["a", "b"], ["la", "lb"])
            #expect(dataset.name(ofSlice: 3) == "\(folder)/b.tif, page 1")
        }
    }
}
