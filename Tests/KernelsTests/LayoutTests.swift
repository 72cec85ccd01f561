import Kernels
import TestSupport
import Testing

@Suite struct LayoutTests {
    @Test func lanes() {
        let layout = ChannelLayout(parts: [2, 17, 16])
        #expect(layout.channels == 35 && layout.blocks == 4)
        #expect(layout.lanes == [0, 1] + Array(16...32) + Array(48...63))
        #expect(ChannelLayout(16).lanes == Array(0..<16) && ChannelLayout(16).blocks == 1)
    }

    @Test(arguments: [[1], [16], [33], [2, 17, 16]]) func packing(_ parts: [Int]) {
        let layout = ChannelLayout(parts: parts)
        let images = TestImages.random(layout, batch: 2, height: 3, width: 5, seed: 1)
        let tensor = TestTensor(layout, images, strided: true)
        #expect(tensor.images == images && tensor.strayLanes == 0 && tensor.surroundingsIntact)
        // Channel 0 is lane 0 of block 0, pixels sixteen floats apart.
        #expect(Double(tensor.tensor.pointer[16]) == images[0][0, 0, 1])
    }

    /// Every weight has a place of its own, and the places are those of the documented layout.
    @Test func weights() {
        let input = ChannelLayout(parts: [3, 17]), output = ChannelLayout(20)
        var places = Set<Int>(), next = 0
        input.forEachWeight(to: output, taps: 9) { logical, stored in
            #expect(logical == next)
            next += 1
            places.insert(stored)
            let tap = logical % 9, c = input.lanes[logical / 9 % 20], k = output.lanes[logical / 180]
            #expect(stored == (((k / 16 * 3 + c / 16) * 9 + tap) * 16 + c % 16) * 16 + k % 16)
        }
        #expect(next == 20 * 20 * 9 && places.count == next && places.max()! < 2 * 3 * 9 * 256)
    }

    @Test func views() {
        let layout = ChannelLayout(64), memory = TestTensor(layout, batch: 2, height: 3, width: 4, strided: true), tensor = memory.tensor
        let part = tensor.blocks(from: 1, count: 2), sample = part.sample(1)
        #expect(part.shape == Shape(batch: 2, blocks: 2, height: 3, width: 4) && part.sampleStride == tensor.sampleStride)
        #expect(part.pointer == tensor.pointer + 12 * 16)
        #expect(sample.shape.batch == 1 && sample.pointer == part.pointer + tensor.sampleStride)
        #expect("\(tensor.shape)" == "[2 × 64 × 3 × 4]")
    }

    @Test func arena() {
        let arena = Arena(count: 1_000_003)
        #expect(UInt(bitPattern: arena.pointer) % (2 << 20) == 0)
        #expect(arena.buffer.count == 1_000_003 && arena.buffer.allSatisfy { $0 == 0 })
        arena.buffer[1_000_002] = 1
        #expect(Arena(count: 0).buffer.isEmpty)
    }
}
