import Foundation
import Imaging
import Testing

@Suite struct SyntheticSampleTests {
    private static func pages(_ count: Int, height: Int = 128, width: Int = 160, seed: UInt64 = 0) -> (image: [UInt8], label: [UInt8]) {
        let tissue = SyntheticTissue(height: height, width: width, seed: seed)
        return (0..<count).map { tissue.page($0) }.reduce(into: ([], [])) {
            $0.0 += $1.image
            $0.1 += $1.label
        }
    }

    /// FNV-1a, 64 bits.
    private static func hash(_ bytes: [UInt8]) -> UInt64 { bytes.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 } }

    /// The same bits on every machine and in every build: the hashes were computed once.
    @Test func bitsDependOnParametersAlone() {
        let volume = Self.pages(2)
        #expect(Self.hash(volume.image) == 6_026_100_721_636_435_994)
        #expect(Self.hash(volume.label) == 9_027_937_949_307_188_756)
        #expect(Self.pages(1).image == Array(volume.image[..<(128 * 160)]), "pages do not depend on how many there are")
        #expect(Self.pages(2, seed: 1).label != volume.label)
    }

    /// What makes it a useful sample, over several seeds: the shares of the classes, membranes darker than cells, overlapping grey values,
    /// and tissue that changes from page to page but goes on.
    @Test(arguments: [0, 1] as [UInt64]) func resemblesTissue(seed: UInt64) {
        let size = 192 * 192
        let (image, label) = Self.pages(3, height: 192, width: 192, seed: seed)
        #expect(label.allSatisfy { $0 == 0 || $0 == 255 })
        let interior = Double(label.count { $0 == 255 }) / Double(label.count)
        #expect(interior > 0.70 && interior < 0.85, "interior share \(interior)")

        func mean(_ value: UInt8) -> Double {
            let values = zip(image, label).filter { $0.1 == value }.map { Double($0.0) }
            return values.reduce(0, +) / Double(values.count)
        }
        #expect(mean(255) - mean(0) > 30)
        let best = (0..<256).map { threshold in
            zip(image, label).count { (Int($0) > threshold) == ($1 == 255) }
        }.max()!
        let accuracy = Double(best) / Double(label.count)
        #expect(accuracy < 0.9, "a threshold alone reaches \(accuracy)")

        func agreement(_ a: Int, _ b: Int) -> Double {
            Double((0..<size).count { label[a * size + $0] == label[b * size + $0] }) / Double(size)
        }
        #expect(agreement(0, 1) > 0.85 && agreement(0, 1) < 0.99)
        #expect(agreement(0, 2) < agreement(0, 1))
        #expect(Set(image).count > 150)
    }

    @Test func smallestPages() {
        let one = Self.pages(2, height: 1, width: 1)
        #expect(one.image.count == 2 && one.label.count == 2)
    }

    /// The files hold the tissue's pages: the first for training, those that follow for the test, with the size of their pixels.
    @Test func files() throws {
        try withTemporaryFolder { folder in
            let path = folder + "/not/there/yet"
            try SyntheticSample.write(to: path, trainingPages: 2, testPages: 1, height: 40, width: 56, seed: 7)
            let tissue = SyntheticTissue(height: 40, width: 56, seed: 7)
            for (name, pages) in [("train", 0..<2), ("test", 2..<3)] {
                for kind in ["volume", "labels"] {
                    let volume = try VolumeReader("\(path)/\(name)-\(kind).tif")
                    #expect(volume.shape == VolumeShape(pages: pages.count, height: 40, width: 56) && volume.pixelType == .uint8)
                    let metadata = volume.metadata
                    #expect(metadata.unit == "nm" && metadata.zSpacing == 50)
                    #expect(abs((metadata.pixelWidth ?? 0) - 4) < 1e-6 && abs((metadata.pixelHeight ?? 0) - 4) < 1e-6)
                    for page in pages {
                        var values = [Float](repeating: -1, count: 40 * 56)
                        try values.withUnsafeMutableBufferPointer { try volume.readPage(page - pages.lowerBound, into: $0) }
                        let (image, label) = tissue.page(page)
                        #expect(values == (kind == "volume" ? image : label).map(Float.init))
                    }
                }
            }
        }
    }

    @Test func unusableFolders() throws {
        try withTemporaryFolder { folder in
            try Data().write(to: URL(fileURLWithPath: folder + "/file"))
            #expect {
                try SyntheticSample.write(to: folder + "/file/below", height: 8, width: 8)
            } throws: {
                ($0 as? ImagingError)?.exitStatus == 74 && "\($0)".hasPrefix(folder + "/file/below: cannot make the folder: ")
            }
            #expect { try SyntheticSample.write(to: folder, testPages: 0) } throws: { ($0 as? ImagingError)?.exitStatus == 64 }
        }
    }
}
