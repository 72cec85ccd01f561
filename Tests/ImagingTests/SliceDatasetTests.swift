import Dispatch
import Foundation
import Imaging
import TestSupport
import Testing

@Suite struct SliceDatasetTests {
    /// Writes a volume of 4 pages of 6×5 pixels.
    func write(_ path: String, _ type: PixelType = .uint8, pages: Int = 4, width: Int = 5, channels: Int = 1, value: (Int, Int) -> Float)
        throws
    {
        let shape = VolumeShape(pages: pages, height: 6, width: width, channels: channels)
        let writer = try makeVolumeWriter(path: path, shape: shape, pixelType: type)
        for page in 0..<pages { try (0..<shape.pageCount).map { value(page, $0) }.withUnsafeBufferPointer { try writer.append($0) } }
        try writer.close()
    }

    func image(_ slice: Int, of dataset: SliceDataset) throws -> [Float] {
        var samples = [Float](repeating: -1, count: dataset.channels * dataset.height * dataset.width)
        try samples.withUnsafeMutableBufferPointer { try dataset.readImage(slice, into: $0) }
        return samples
    }

    func label(_ slice: Int, of dataset: SliceDataset) throws -> [Float] {
        var samples = [Float](repeating: -1, count: dataset.height * dataset.width)
        try samples.withUnsafeMutableBufferPointer { try dataset.readLabel(slice, into: $0) }
        return samples
    }

    @Test func imagesAreDividedByTheLargestValueOfTheirType() throws {
        try withTemporaryFolder { folder in
            for (type, largest) in [(PixelType.uint8, Float(255)), (.uint16, 65535), (.float32, 1)] {
                try write(folder + "/a.tif", type) { Float($0 * 30 + $1) }
                let dataset = try SliceDataset(images: folder + "/a.tif")
                #expect((dataset.count, dataset.height, dataset.width, dataset.channels) == (4, 6, 5, 1))
                #expect(dataset.normalization == .divide(by: largest))
                #expect(try image(3, of: dataset) == (0..<30).map { Float(90 + $0) / largest })
                let other = try SliceDataset(images: folder + "/a.tif", normalization: .divide(by: 10))
                #expect(try image(1, of: other) == (0..<30).map { Float(30 + $0) / 10 })
            }
            let code = try JSONEncoder().encode(Normalization.divide(by: 255))
            #expect(try JSONDecoder().decode(Normalization.self, from: code) == .divide(by: 255))
        }
    }

    @Test func theHigherOfTwoLabelValuesIsForeground() throws {
        try withTemporaryFolder { folder in
            try write(folder + "/images.tif") { _, i in Float(i) }
            for (low, high, type) in [(0, 1, PixelType.uint8), (0, 255, .uint8), (1, 2, .uint16), (0, 65535, .uint16), (0, 1, .float32)] {
                // Page 2 is all background and page 3 all foreground, which takes the other pages to tell.
                func foreground(_ page: Int, _ i: Int) -> Bool { page == 3 || page < 2 && i % (page + 2) == 0 }
                try write(folder + "/labels.tif", type) { foreground($0, $1) ? Float(high) : Float(low) }
                let dataset = try SliceDataset(images: folder + "/images.tif", labels: folder + "/labels.tif")
                for page in 0..<4 { #expect(try label(page, of: dataset) == (0..<30).map { foreground(page, $0) ? 1 : 0 }) }
                #expect(try dataset.labelWarnings() == [])
                // A part that is of one class follows the rule of the whole.
                let last = try SliceDataset(images: folder + "/images.tif", labels: folder + "/labels.tif", pages: [2])
                #expect(try label(0, of: last) == [Float](repeating: 0, count: 30))
                let warnings = try last.labelWarnings()
                #expect(warnings.count == 1 && warnings[0].contains("labels.tif: all pixels of page 2 are background"))
            }
            try write(folder + "/labels.tif", .float32) { Float($1) / 30 }
            let soft = try SliceDataset(images: folder + "/images.tif", labels: folder + "/labels.tif")
            #expect(try label(1, of: soft) == (0..<30).map { $0 > 15 ? 1 : 0 })
        }
    }

    /// What takes long says after each page that it goes on.
    @Test func eachPageIsProgress() throws {
        try withTemporaryFolder { folder in
            try write(folder + "/images.tif") { Float($0 + $1) }
            try write(folder + "/labels.tif") { _, i in Float(i % 2) }
            try write(folder + "/soft.tif", .float32) { _, i in Float(i % 2) }
            var pages = 0
            func counted(_ body: (() -> Void) throws -> Void) rethrows -> Int {
                pages = 0
                try body { pages += 1 }
                return pages
            }
            for (labels, classes) in [("labels", nil), ("soft", nil), ("labels", try LabelClasses(text: "0,1"))]
                as [(String, LabelClasses?)]
            {
                let data = try SliceDataset(
                    images: VolumePaths([folder + "/images.tif"]), labels: VolumePaths([folder + "/\(labels).tif"]), classes: classes,
                    pages: [0, 3])
                #expect(try counted { _ = try data.labelWarnings(afterEachPage: $0) } == 4)
                #expect(try counted { _ = try data.fingerprint(afterEachPage: $0) } == 4, "two of each volume")
            }
            for (normalization, expected) in [(Normalization.volume, 4), (.slice, 0), (.divide(by: 2), 0)] {
                #expect(
                    try counted {
                        _ = try SliceDataset(images: VolumePaths([folder + "/images.tif"]), normalization: normalization, afterEachPage: $0)
                    } == expected)
            }
        }
    }

    /// A dataset that has been told the threshold goes through the labels only for what it has to say of each page.
    @Test func thresholdsThatAreTold() throws {
        try withTemporaryFolder { folder in
            try write(folder + "/images.tif") { _, i in Float(i) }
            try write(folder + "/labels.tif") { page, _ in page < 2 ? 3 : 9 }
            try write(folder + "/three.tif") { page, _ in [3, 3, 9, 10][page] }
            func dataset(_ labels: String) throws -> SliceDataset {
                try SliceDataset(images: folder + "/images.tif", labels: folder + labels)
            }
            let threshold = try #require(try dataset("/labels.tif").foregroundThreshold())
            let told = try dataset("/three.tif")
            told.take(foregroundThreshold: threshold)
            #expect(try told.foregroundThreshold() == threshold)
            for page in 0..<4 { #expect(try label(page, of: told) == [Float](repeating: page < 2 ? 0 : 1, count: 30)) }
            expectError(.invalid, "three.tif", "two values") { _ = try told.labelWarnings() }
            // What it has found itself it keeps.
            let looked = try dataset("/labels.tif")
            #expect(try looked.labelWarnings() == [])
            looked.take(foregroundThreshold: 200)
            #expect(try looked.foregroundThreshold() == threshold && label(3, of: looked) == [Float](repeating: 1, count: 30))
            #expect(try SliceDataset(images: folder + "/images.tif").foregroundThreshold() == nil)
        }
    }

    @Test func labelsOfOneClassAreWarnedOf() throws {
        try withTemporaryFolder { folder in
            try write(folder + "/images.tif") { _, i in Float(i) }
            for (value, type, word) in [(0, PixelType.uint8, "background"), (255, .uint8, "foreground"), (0.5, .float32, "background")] {
                try write(folder + "/labels.tif", type) { _, _ in Float(value) }
                let dataset = try SliceDataset(images: folder + "/images.tif", labels: folder + "/labels.tif")
                let warnings = try dataset.labelWarnings()
                #expect(warnings.count == 1 && warnings[0].contains("labels.tif") && warnings[0].contains("all pages are \(word)"))
                #expect(try label(0, of: dataset) == [Float](repeating: word == "foreground" ? 1 : 0, count: 30))
            }
        }
    }

    @Test func moreThanTwoLabelValuesAreNamed() throws {
        try withTemporaryFolder { folder in
            try write(folder + "/images.tif") { _, i in Float(i) }
            func labels(_ value: @escaping (Int, Int) -> Float, _ parts: String) throws {
                try write(folder + "/labels.tif", value: value)
                let dataset = try SliceDataset(images: folder + "/images.tif", labels: folder + "/labels.tif")
                expectError(.invalid, "labels.tif", "two values", parts) { _ = try dataset.labelWarnings() }
                expectError(.invalid, "labels.tif", parts) { _ = try label(0, of: dataset) }
            }
            try labels({ _, i in Float(i % 3) }, "page 0 there are 3: 0, 1, 2")
            try labels({ page, i in page < 2 ? Float(i % 2) : 7 }, "page 2 there are 3: 0, 1, 7")
            try labels({ _, i in Float(i) }, "30: 0, 1, 2, 3, 4, 5, 6, 7, …")
        }
    }

    @Test func valuesThatAreNotNumbersAreErrors() throws {
        try withTemporaryFolder { folder in
            try write(folder + "/images.tif", .float32) { page, i in page == 2 && i == 7 ? .nan : 1 }
            let dataset = try SliceDataset(images: folder + "/images.tif", labels: folder + "/images.tif")
            #expect(try image(1, of: dataset) == [Float](repeating: 1, count: 30))
            expectError(.invalid, "images.tif", "page 2", "not finite") { _ = try image(2, of: dataset) }
            expectError(.invalid, "images.tif", "page 2", "not numbers") { _ = try label(0, of: dataset) }
        }
    }

    @Test func imagesAndLabelsMustAgree() throws {
        try withTemporaryFolder { folder in
            try write(folder + "/images.tif") { _, i in Float(i) }
            func open() throws { _ = try SliceDataset(images: folder + "/images.tif", labels: folder + "/labels.npy") }
            try write(folder + "/labels.npy", pages: 3) { _, i in Float(i) }
            expectError(.invalid, "labels.npy", "images.tif", "3 pages of 5×6", "4 pages of 5×6") { try open() }
            try write(folder + "/labels.npy", width: 7) { _, i in Float(i) }
            expectError(.invalid, "labels.npy", "images.tif", "4 pages of 7×6", "4 pages of 5×6") { try open() }
            try write(folder + "/labels.npy", channels: 3) { _, i in Float(i) }
            expectError(.invalid, "labels.npy", "one channel") { try open() }
            expectError(.missing, "none.tif") { _ = try SliceDataset(images: folder + "/images.tif", labels: folder + "/none.tif") }
            for (pages, text) in [
                ([2, 3, 4], "pages 2 to 4 are"), ([-1, 0, 1], "pages -1 to 1"), ([], "no pages"), ([0, 2, 3, 9], "pages 0, 2 to 3, 9"),
            ] {
                expectError(.usage, "images.tif", text, "4 pages") { _ = try SliceDataset(images: folder + "/images.tif", pages: pages) }
            }
        }
    }

    @Test func rangesOfSlicesMakeASplit() throws {
        try withTemporaryFolder { folder in
            try write(folder + "/a.h5", .float32, channels: 2) { Float($0 * 100 + $1) }
            let training = try SliceDataset(images: folder + "/a.h5", pages: [0, 1, 2])
            let held = try SliceDataset(images: folder + "/a.h5", pages: [3])
            #expect(training.count == 3 && held.count == 1 && held.channels == 2)
            #expect(try image(2, of: training) == (0..<60).map { Float(200 + $0) })
            #expect(try image(0, of: held) == (0..<60).map { Float(300 + $0) })
            #expect(try held.withImage(0) { $0[1] } == 301)
            let around = try SliceDataset(images: folder + "/a.h5", pages: [0, 3])
            #expect(try around.withImage(1) { $0[1] } == 301)
        }
    }

    @Test func fingerprintsFollowThePixelsAlone() throws {
        try withTemporaryFolder { folder in
            func fingerprint(_ name: String, _ labels: String? = nil, _ slices: Range<Int>? = nil) throws -> String {
                try SliceDataset(images: folder + "/" + name, labels: labels.map { folder + "/" + $0 }, pages: slices.map { Array($0) })
                    .fingerprint()
            }
            for type in [PixelType.uint8, .uint16, .float32] {
                try write(folder + "/a.tif", type) { Float($0 + $1) }
                try write(folder + "/b.h5", type) { Float($0 + $1) }
                try write(folder + "/c.npy", type) { Float($0 + $1) + ($0 == 3 && $1 == 29 ? 1 : 0) }
                let whole = try fingerprint("a.tif")
                #expect(whole.count == 64)
                #expect(try fingerprint("b.h5") == whole)
                #expect(try fingerprint("c.npy") != whole)
                #expect(try fingerprint("c.npy", nil, 0..<3) == fingerprint("a.tif", nil, 0..<3))
                #expect(try fingerprint("a.tif", nil, 0..<3) != whole)
                #expect(try fingerprint("a.tif", "a.tif") != whole)
            }
            try write(folder + "/a.tif", .uint8) { Float($0 + $1) }
            #expect(try fingerprint("a.tif") != fingerprint("b.h5"), "types differ")
        }
    }

    @Test func manyThreadsShareASmallCache() throws {
        try withTemporaryFolder { folder in
            try write(folder + "/images.tif", .float32, pages: 20) { Float($0 * 100 + $1) }
            try write(folder + "/labels.tif", pages: 20) { Float(($0 + $1) % 2) }
            for cacheBytes in [0, 500, 1 << 20] {
                let dataset = try SliceDataset(images: folder + "/images.tif", labels: folder + "/labels.tif", cacheBytes: cacheBytes)
                DispatchQueue.concurrentPerform(iterations: 200) { i in
                    let slice = i * 7 % 20
                    #expect((try? image(slice, of: dataset)) == (0..<30).map { Float(slice * 100 + $0) })
                    #expect((try? label(slice, of: dataset)) == (0..<30).map { Float((slice + $0) % 2) })
                }
            }
        }
    }

    /// What is in the cache needs no file: a slice that was read stays readable after the file is gone, within the limit.
    @Test func theCacheKeepsWhatWasReadLast() throws {
        try withTemporaryFolder { folder in
            try write(folder + "/a.npy", .float32) { Float($0 * 100 + $1) }
            // Room for two slices of 120 bytes.
            let dataset = try SliceDataset(images: folder + "/a.npy", cacheBytes: 250)
            for slice in [0, 1, 0, 2] { _ = try image(slice, of: dataset) }
            let file = try #require(FileHandle(forWritingAtPath: folder + "/a.npy"))
            try file.truncate(atOffset: 0)
            #expect(try image(0, of: dataset)[3] == 3)
            #expect(try image(2, of: dataset)[3] == 203)
            expectError(.invalid, "a.npy", "ends") { _ = try image(1, of: dataset) }
        }
    }
}
