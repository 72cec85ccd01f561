import Foundation
import Imaging
import TestSupport
import Testing

@Suite struct NormalizationTests {
    /// Writes pages of 40×30 pixels whose brightness and contrast differ from page to page and channel to channel.
    func write(_ path: String, pages: Int, channels: Int = 1, brightness: Float = 100, contrast: Float = 20) throws -> [[Float]] {
        let shape = VolumeShape(pages: pages, height: 40, width: 30, channels: channels)
        let numbers = testNumbers(shape.pageCount + 7 * pages)
        let writer = try makeVolumeWriter(path: path, shape: shape, pixelType: .float32)
        let all = (0..<pages).map { page in
            (0..<shape.pageCount).map { i in
                brightness * Float(page + 1) + Float(i / 1200) * 1000 + contrast * Float(page + 1) * numbers[7 * page + i]
            }
        }
        for page in all { try page.withUnsafeBufferPointer { try writer.append($0) } }
        try writer.close()
        return all
    }

    func image(_ slice: Int, of dataset: SliceDataset) throws -> [Float] {
        try dataset.withImage(slice) { Array($0) }
    }

    /// Mean and standard deviation by their definition.
    func moments(_ values: some Collection<Float>) -> (mean: Double, deviation: Double) {
        let mean = values.reduce(0) { $0 + Double($1) } / Double(values.count)
        return (mean, (values.reduce(0) { $0 + (Double($1) - mean) * (Double($1) - mean) } / Double(values.count)).squareRoot())
    }

    @Test(arguments: [1, 3]) func slicesAndVolumes(_ channels: Int) throws {
        try withTemporaryFolder { folder in
            let raw = try write(folder + "/a.npy", pages: 3, channels: channels)
            let slices = try SliceDataset(images: folder + "/a.npy", normalization: .slice)
            // Held-out slices count for the volume's mean, wherever the dataset begins.
            let volume = try SliceDataset(images: folder + "/a.npy", pages: [1, 2], normalization: .volume)
            for channel in 0..<channels {
                let range = channel * 1200..<(channel + 1) * 1200
                let all = moments(raw.flatMap { $0[range] })
                for slice in 0..<3 {
                    let own = moments(raw[slice][range])
                    let expected = raw[slice][range].map { (Double($0) - own.mean) / own.deviation }
                    #expect(relativeError(try image(slice, of: slices)[range], expected) < 1e-4)
                    guard slice > 0 else { continue }
                    let whole = raw[slice][range].map { (Double($0) - all.mean) / all.deviation }
                    #expect(relativeError(try image(slice - 1, of: volume)[range], whole) < 1e-4)
                }
            }
        }
    }

    /// Each of several volumes is normalised by itself; parts of a page as the page.
    @Test func severalVolumesAndParts() throws {
        try withTemporaryFolder { folder in
            let a = try write(folder + "/a.npy", pages: 2), b = try write(folder + "/b.npy", pages: 1, brightness: -5, contrast: 1)
            let paths = VolumePaths([folder + "/a.npy", folder + "/b.npy"])
            let dataset = try SliceDataset(images: paths, normalization: .volume)
            let first = moments(a.flatMap { $0 }), second = moments(b[0])
            #expect(relativeError(try image(1, of: dataset), a[1].map { (Double($0) - first.mean) / first.deviation }) < 1e-4)
            #expect(relativeError(try image(2, of: dataset), b[0].map { (Double($0) - second.mean) / second.deviation }) < 1e-4)

            let volume = try VolumeReader(paths)
            for normalization in [Normalization.slice, .volume, .divide(by: 7)] {
                let normalizer = try Normalizer(normalization, for: volume)
                let whole = try SliceDataset(images: paths, normalization: normalization)
                var part = [Float](repeating: 0, count: 5 * 30)
                try part.withUnsafeMutableBufferPointer {
                    try volume.readRows(20..<25, ofPage: 2, into: $0)
                    normalizer.apply(to: $0, page: 2, channels: 1, width: 30, pageMoments: try volume.moments(ofPage: 2))
                }
                #expect(part == Array(try image(2, of: whole)[600..<750]), "\(normalization)")
            }
        }
    }

    @Test func imagesWithoutContrast() throws {
        try withTemporaryFolder { folder in
            _ = try write(folder + "/a.npy", pages: 2, brightness: 0.1, contrast: 0)
            let slices = try SliceDataset(images: folder + "/a.npy", normalization: .slice)
            #expect(try image(1, of: slices) == [Float](repeating: 0, count: 1200), "a blank slice becomes zeros")
            _ = try write(folder + "/b.npy", pages: 1, brightness: 3, contrast: 0)
            _ = try write(folder + "/c.npy", pages: 1)
            expectError(.invalid, "b.npy", "all pixels are 3.0", "standard deviation") {
                _ = try SliceDataset(images: VolumePaths([folder + "/c.npy", folder + "/b.npy"]), normalization: .volume)
            }
        }
    }
}
