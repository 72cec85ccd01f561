import Foundation
import Imaging
import Kernels
import Model
import Testing
import Training

/// Samples that are made while the network computes are those that are made when they are asked for.
@Suite struct SampleBatchTests {
    let folder = TemporaryFolder()
    let slices = 6, edge = 40, crop = 32

    /// A volume of noise with labels, in the format of `name`'s extension.
    func volume(_ name: String) throws -> (images: String, labels: String) {
        let shape = VolumeShape(pages: slices, height: edge, width: edge)
        for kind in ["images", "labels"] {
            let writer = try makeVolumeWriter(path: folder / "\(kind)-\(name)", shape: shape, pixelType: .uint8)
            var state: UInt32 = 7
            for _ in 0..<slices {
                let page = (0..<edge * edge).map { _ in
                    state = state &* 1_664_525 &+ 1_013_904_223
                    return kind == "images" ? Float(state >> 24) : Float(state >> 31) * 255
                }
                try page.withUnsafeBufferPointer { try writer.append($0) }
            }
            try writer.close()
        }
        return (folder / "images-\(name)", folder / "labels-\(name)")
    }

    func loader(_ name: String, cacheBytes: Int = 1 << 20) throws -> SampleLoader {
        let (images, labels) = try volume(name)
        return try SampleLoader(
            dataset: SliceDataset(images: images, labels: labels, cacheBytes: cacheBytes), augmentation: .standard, crop: .square(crop),
            seed: 3)
    }

    func network(batch: Int, threads: Int) throws -> Network {
        let node = try Architecture.named("unet").graph(
            channels: 1, height: crop, width: crop, options: ArchitectureOptions(baseChannels: 4, depth: 2))
        return Network(
            node, purpose: .training(blocks: (0..<batch).map { $0..<($0 + 1) }, split: { $0.lowerBound + 1 }),
            device: Device(threads: threads))
    }

    func samples(_ step: Int, _ batch: Int) -> [Sample] {
        let stream = SampleStream(slices: slices, cropsPerSlice: 2, seed: 3)
        return (0..<batch).map { stream.sample(at: step * batch + $0) }
    }

    /// What a batch's network shows for its input and holds as targets.
    func content(_ network: Network) -> [UInt32] {
        network.forward()
        var values = [Float](repeating: 0, count: crop * crop), bits: [UInt32] = []
        for sample in 0..<network.batch {
            network.logits(sample: sample, into: &values)
            bits += values.map(\.bitPattern) + network.target(sample: sample).map(\.bitPattern)
        }
        return bits
    }

    @Test(arguments: [1, 3], ["a.tif", "a.h5"]) func sameSamplesWithAndWithoutPreparation(_ threads: Int, _ name: String) throws {
        // Nothing stays in the cache, so that every sample is read from the file.
        let loader = try loader(name, cacheBytes: 0), batch = 5
        let plain = try network(batch: batch, threads: threads), early = try network(batch: batch, threads: threads)
        for network in [plain, early] { network.initializeParameters(seed: 1) }
        let onDemand = SampleBatch(loader: loader, network: plain), ahead = SampleBatch(loader: loader, network: early)
        var seen: Set<[UInt32]> = []
        for step in 0..<6 {
            let now = samples(step, batch)
            try onDemand.load(now)
            try ahead.load(now)
            ahead.prepare(samples(step + 1, batch))
            #expect(ahead.samples == now && onDemand.samples == now)
            let expected = content(plain)
            #expect(content(early) == expected, "step \(step)")
            #expect(seen.insert(expected).inserted, "step \(step) shows what another one showed")
        }
        // Prepared for nothing: other samples are asked for.
        try ahead.load(samples(20, batch))
        try onDemand.load(samples(20, batch))
        #expect(content(early) == content(plain))
    }

    /// What cannot be read is reported by the step that needs it, and the batch can go on with others.
    @Test func errorsBelongToTheirStep() throws {
        let loader = try loader("a.tif", cacheBytes: 0), network = try network(batch: 2, threads: 2)
        let batch = SampleBatch(loader: loader, network: network)
        try batch.load(samples(0, 2))
        // The file loses its pixels, though not its directory.
        let path = folder / "images-a.tif", whole = try Data(contentsOf: URL(fileURLWithPath: path))
        let file = try #require(FileHandle(forWritingAtPath: path))
        try file.truncate(atOffset: 0)
        batch.prepare(samples(1, 2))
        network.forward()
        #expect(throws: ImagingError.self) { try batch.load(samples(1, 2)) }
        try file.write(contentsOf: whole)
        try batch.load(samples(2, 2))
        #expect(batch.samples == samples(2, 2))
    }

    /// A batch that goes away while its thread works waits for it.
    @Test func endsWhileLoading() throws {
        let loader = try loader("a.h5", cacheBytes: 0), network = try network(batch: 5, threads: 1)
        for round in 0..<50 {
            let batch = SampleBatch(loader: loader, network: network)
            if round % 2 == 0 { try batch.load(samples(round, 5)) }
            if round % 3 < 2 { batch.prepare(samples(round + 1, 5)) }
        }
    }

    /// libhdf5 is not thread-safe: checkpoints are written and read while samples are read from an HDF5 volume.
    @Test func besideOtherUsersOfHDF5() throws {
        let loader = try loader("a.h5", cacheBytes: 0), network = try network(batch: 5, threads: 2)
        let batch = SampleBatch(loader: loader, network: network)
        let values = (0..<4096).map { Float($0) }
        for step in 0..<20 {
            try batch.load(samples(step, 5))
            batch.prepare(samples(step + 1, 5))
            let file = try HDF5File(inMemoryNamed: "checkpoint")
            for i in 0..<20 { try file.write(values, shape: [64, 64], to: "/group\(i)/values") }
            let copy = try HDF5File(bytes: try file.image(), name: "copy")
            for i in 0..<20 { #expect(try copy.read("/group\(i)/values") as [Float] == values) }
        }
    }
}
