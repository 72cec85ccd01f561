import Imaging
import TestSupport
import Testing

@Suite struct TileTests {
    /// Lengths, tiles, overlaps and alignments of which each tests something else: one tile, tiles that just fit, odd lengths, no overlap, as
    /// much overlap as there can be, alignment 1.
    static let axes = [
        (1, 16, 0, 16), (16, 16, 0, 16), (17, 16, 0, 16), (300, 64, 16, 16), (512, 256, 128, 16), (515, 256, 128, 16), (1000, 48, 32, 16),
        (777, 96, 0, 4), (640, 64, 60, 4), (333, 100, 40, 1), (5000, 768, 256, 16), (769, 768, 128, 16),
    ]

    @Test(arguments: axes) func weightsSumToOneExactly(_ length: Int, _ tile: Int, _ overlap: Int, _ alignment: Int) {
        let axis = TileAxis(length: length, tile: tile, overlap: overlap, alignment: alignment)
        var sums = [Float](repeating: 0, count: length)
        for index in 0..<axis.count {
            let used = axis.used(index), start = axis.starts[index]
            #expect(!used.isEmpty && used.lowerBound >= start && used.upperBound <= min(length, start + tile))
            #expect(start % alignment == 0)
            if index > 0 {
                #expect(axis.starts[index - 1] + tile - start >= overlap, "neighbours share too little")
                #expect(used.lowerBound - start >= overlap * 7 / 16, "what is near a tile's edge counts")
                #expect(axis.starts[index - 1] + tile - axis.used(index - 1).upperBound >= overlap * 7 / 16)
            }
            for pixel in used {
                let weight = axis.weight(index, pixel)
                #expect(weight >= 0 && weight <= 1 && (weight * 4096).rounded() == weight * 4096)
                sums[pixel] += weight
            }
        }
        #expect(sums.allSatisfy { $0 == 1 })
        #expect(axis.starts[0] == 0 && axis.starts.last! + tile >= length)
        if length > tile { #expect(axis.starts.last! + tile < length + alignment, "the last tile reaches too far") }
    }

    @Test func blendingIsSmooth() {
        let axis = TileAxis(length: 1000, tile: 256, overlap: 128, alignment: 16), ramp = axis.used(0).upperBound - axis.used(1).lowerBound
        #expect(ramp == 16)
        let weights = (axis.used(1).lowerBound..<axis.used(0).upperBound).map { axis.weight(1, $0) }
        #expect(weights == weights.sorted() && weights[0] < 0.01 && weights[15] > 0.99 && weights[7] < 0.5 && weights[8] > 0.5)
    }

    /// An image cut into tiles and put together again is the same, bit for bit, page after page; rows come as soon as they are done.
    @Test(arguments: [1, 3]) func piecesMakeTheWhole(_ channels: Int) throws {
        try withTemporaryFolder { folder in
            let shape = VolumeShape(pages: 2, height: 150, width: 83, channels: channels)
            let numbers = testNumbers(shape.pages * shape.pageCount), path = folder + "/a.npy"
            let writer = try makeVolumeWriter(path: path, shape: shape, pixelType: .float32)
            try numbers.withUnsafeBufferPointer { numbers in
                for page in 0..<2 {
                    try writer.append(UnsafeBufferPointer(rebasing: numbers[page * shape.pageCount..<(page + 1) * shape.pageCount]))
                }
            }
            try writer.close()
            let rows = TileAxis(length: 150, tile: 48, overlap: 16, alignment: 4),
                columns = TileAxis(length: 83, tile: 40, overlap: 8, alignment: 4)
            let assembly = TileAssembly(rows: rows, columns: columns, channels: channels), band = ImageBand(try VolumeReader(path))
            var tile = [Float](repeating: 0, count: channels * 48 * 40)
            for page in 0..<2 {
                var result = [[Float]](repeating: [], count: channels), pieces = 0
                for row in 0..<rows.count {
                    for column in 0..<columns.count {
                        try tile.withUnsafeMutableBufferPointer {
                            try band.read(page: page, top: rows.starts[row], left: columns.starts[column], height: 48, width: 40, into: $0)
                        }
                        tile.withUnsafeBufferPointer {
                            assembly.add($0) { lines in
                                pieces += 1
                                let count = lines.count / channels
                                for channel in 0..<channels { result[channel] += lines[channel * count..<(channel + 1) * count] }
                            }
                        }
                    }
                }
                #expect(result.flatMap { $0 } == Array(numbers[page * shape.pageCount..<(page + 1) * shape.pageCount]))
                #expect(pieces == rows.count)
            }
            #expect(assembly.memoryBytes < 4 * channels * 83 * 150, "it holds as much as a page")
        }
    }

    @Test func imagesContinueMirrored() throws {
        #expect((-4..<9).map { reflected($0, 4) } == [2, 3, 2, 1, 0, 1, 2, 3, 2, 1, 0, 1, 2])
        #expect((-3..<3).map { reflected($0, 1) } == [0, 0, 0, 0, 0, 0])
        try withTemporaryFolder { folder in
            let writer = try makeVolumeWriter(
                path: folder + "/a.npy", shape: VolumeShape(pages: 1, height: 3, width: 4), pixelType: .float32)
            try (0..<12).map { Float($0) }.withUnsafeBufferPointer { try writer.append($0) }
            try writer.close()
            let band = ImageBand(try VolumeReader(folder + "/a.npy"))
            for (top, left) in [(-2, -3), (0, 0), (2, 3), (-9, 11)] {
                var tile = [Float](repeating: -1, count: 8 * 10)
                try tile.withUnsafeMutableBufferPointer {
                    try band.read(page: 0, top: top, left: left, height: 8, width: 10, into: $0)
                }
                for y in 0..<8 {
                    for x in 0..<10 { #expect(tile[y * 10 + x] == Float(reflected(top + y, 3) * 4 + reflected(left + x, 4))) }
                }
            }
        }
    }

    @Test func notFiniteImagesAreNamed() throws {
        try withTemporaryFolder { folder in
            let writer = try makeVolumeWriter(
                path: folder + "/a.npy", shape: VolumeShape(pages: 2, height: 3, width: 4), pixelType: .float32)
            for value in [Float(1), .nan] { try [Float](repeating: value, count: 12).withUnsafeBufferPointer { try writer.append($0) } }
            try writer.close()
            let band = ImageBand(try VolumeReader(folder + "/a.npy"))
            expectError(.invalid, "a.npy", "page 1", "finite") {
                var tile = [Float](repeating: 0, count: 4)
                try tile.withUnsafeMutableBufferPointer { try band.read(page: 1, top: 0, left: 0, height: 2, width: 2, into: $0) }
            }
        }
    }

    /// Each orientation shows another picture, and adding back undoes it.
    @Test func orientationsAreUndone() {
        let numbers = testNumbers(2 * 3 * 5)
        var pictures: Set<[Float]> = []
        for orientation in Orientation.all(8) {
            var laid = [Float](repeating: 0, count: 30), back = [Float](repeating: 1, count: 30)
            orientation.lay(numbers, height: 3, width: 5, channels: 2, into: &laid)
            orientation.addBack(laid, height: 3, width: 5, channels: 2, to: &back)
            #expect(back == numbers.map { 1 + $0 })
            pictures.insert(laid)
        }
        #expect(pictures.count == 8 && Orientation.all(4) == Array(Orientation.all(8).prefix(4)) && Orientation.all(1) == [.identity])
    }

    @Test func sizesAsText() {
        for text in ["auto", "none", "64", "32x48"] { #expect(TileSize(text)?.description == text) }
        for text in ["", "full", "0", "32x", "-4", "1x2x3"] { #expect(TileSize(text) == nil) }
        #expect(TileSize.automatic.size(height: 1024, width: 1024) == (1024, 1024))
        #expect(TileSize.automatic.size(height: 500, width: 4000) == (500, 768))
        #expect(TileSize.size(height: 64, width: 32).size(height: 50, width: 50) == (50, 32))
    }
}
