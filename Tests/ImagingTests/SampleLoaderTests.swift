import Foundation
import Imaging
import Testing

@Suite struct SampleLoaderTests {
    /// Three synthetic slices of 72 × 96 pixels with labels.
    private static func withDataset<Result>(_ body: (SliceDataset) throws -> Result) throws -> Result {
        try withTemporaryFolder { folder in
            try SyntheticSample.write(to: folder, trainingPages: 3, testPages: 1, height: 72, width: 96)
            return try body(SliceDataset(images: folder + "/train-volume.tif", labels: folder + "/train-labels.tif"))
        }
    }

    private static func load(_ loader: SampleLoader, _ sample: Sample) throws -> (image: [Float], label: [Float]) {
        var image = [Float](repeating: .nan, count: loader.dataset.channels * loader.sampleHeight * loader.sampleWidth)
        var label = [Float](repeating: .nan, count: loader.sampleHeight * loader.sampleWidth)
        try image.withUnsafeMutableBufferPointer { image in
            try label.withUnsafeMutableBufferPointer { try loader.load(sample, image: image, label: $0) }
        }
        return (image, label)
    }

    @Test func wholeSlicesWithoutAugmentationAreTheDataset() throws {
        try Self.withDataset { dataset in
            let loader = try SampleLoader(dataset: dataset, augmentation: .none, crop: .full, seed: 1)
            #expect(loader.sampleHeight == 72 && loader.sampleWidth == 96)
            let stream = SampleStream(slices: 3, cropsPerSlice: 1, seed: 1)
            for position in 0..<6 {
                let sample = stream.sample(at: position), loaded = try Self.load(loader, sample)
                try dataset.withImage(sample.slice) { #expect(loaded.image == Array($0)) }
                try dataset.withLabel(sample.slice) { #expect(loaded.label == Array($0)) }
            }
        }
    }

    /// Every crop is a window of its slice, and several places of a slice are seen.
    @Test func cropsAreWindowsOfTheSlice() throws {
        try Self.withDataset { dataset in
            let loader = try SampleLoader(dataset: dataset, augmentation: .none, crop: .size(height: 32, width: 48), seed: 1)
            let stream = SampleStream(slices: 3, cropsPerSlice: 4, seed: 1)
            var places: Set<Int> = []
            for position in 0..<24 {
                let sample = stream.sample(at: position), loaded = try Self.load(loader, sample)
                let map = AugmentationConfiguration.none.drawMap(
                    seed: 1, position: position, height: 32, width: 48, sliceHeight: 72, sliceWidth: 96)
                places.insert(map.originRow * 96 + map.originColumn)
                let image = try dataset.withImage(sample.slice) { Array($0) }
                for row in 0..<32 {
                    let start = (map.originRow + row) * 96 + map.originColumn
                    #expect(loaded.image[(row * 48)..<((row + 1) * 48)] == image[start..<(start + 48)])
                }
            }
            #expect(places.count > 20)
        }
    }

    /// Whatever the order, the thread and the loader: the same position has the same bits.
    @Test func samplesDependOnTheirPositionAlone() throws {
        try Self.withDataset { dataset in
            func loader(seed: UInt64) throws -> SampleLoader {
                try SampleLoader(dataset: dataset, augmentation: .standard, crop: .square(64), seed: seed)
            }
            let stream = SampleStream(slices: 3, cropsPerSlice: 2, seed: 1), one = try loader(seed: 1)
            let samples = (0..<40).map { stream.sample(at: $0) }
            let expected = try samples.map { try Self.load(one, $0) }
            let other = try loader(seed: 1)
            for sample in samples.reversed() {
                let loaded = try Self.load(other, sample)
                #expect(loaded.image == expected[sample.position].image && loaded.label == expected[sample.position].label)
            }
            DispatchQueue.concurrentPerform(iterations: 40) { k in
                let sample = samples[(k * 7) % 40], loaded = try? Self.load(one, sample)
                #expect(loaded?.image == expected[sample.position].image && loaded?.label == expected[sample.position].label)
            }
            #expect(try Self.load(loader(seed: 2), samples[0]).image != expected[0].image)
            #expect(Set(expected.map(\.image)).count == 40)
            #expect(expected.allSatisfy { $0.label.allSatisfy { $0 == 0 || $0 == 1 } && $0.image.allSatisfy { $0 >= 0 && $0 < 1.0001 } })
        }
    }

    @Test func badSettings() throws {
        try Self.withDataset { dataset in
            #expect {
                _ = try SampleLoader(dataset: dataset, augmentation: .none, crop: .square(96), seed: 1)
            } throws: {
                guard let error = $0 as? ImagingError else { return false }
                return error.exitStatus == 64 && error.path == dataset.images.path && error.message.contains("96×96")
                    && error.message.contains("96×72") && error.message.contains("at most 72")
            }
            var augmentation = AugmentationConfiguration.none
            augmentation.zoom = .init(fraction: 3)
            #expect(throws: AugmentationError.self) {
                _ = try SampleLoader(dataset: dataset, augmentation: augmentation, crop: .full, seed: 1)
            }
        }
    }
}
