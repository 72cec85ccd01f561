/// Which lanes of the blocks of sixteen hold channels. A concatenation of tensors whose channels are no multiple of
/// sixteen has padding lanes in the middle; the channels of each part start a new block.
public struct ChannelLayout: Equatable, Sendable {
    /// Channels of each part.
    public let parts: [Int]
    /// Lane of each channel, counted over all blocks.
    public let lanes: [Int]

    /// The layout of parts that follow one another.
    public init(parts: [Int]) {
        precondition(!parts.isEmpty && parts.allSatisfy { $0 > 0 }, "ChannelLayout: parts \(parts)")
        self.parts = parts
        var lanes: [Int] = [], first = 0
        for part in parts {
            lanes += (0..<part).map { first + $0 }
            first += (part + 15) / 16 * 16
        }
        self.lanes = lanes
        blocks = first / 16
    }

    /// The layout of one part.
    public init(_ channels: Int) { self.init(parts: [channels]) }

    /// Real channels.
    public var channels: Int { lanes.count }
    /// Blocks of sixteen lanes.
    public let blocks: Int

    /// Copies planar channels `[channels][pixels]` into one sample of a tensor; padding lanes are left alone.
    public func pack(_ planar: UnsafePointer<Float>, into sample: Tensor) {
        precondition(sample.shape.blocks == blocks, "ChannelLayout: \(blocks) blocks into \(sample.shape)")
        let pixels = sample.shape.pixels
        for (channel, lane) in lanes.enumerated() {
            let target = sample.pointer + lane / 16 * pixels * 16 + lane % 16, source = planar + channel * pixels
            for p in 0..<pixels { target[p * 16] = source[p] }
        }
    }

    /// The inverse of `pack`.
    public func unpack(_ sample: Tensor, into planar: UnsafeMutablePointer<Float>) {
        precondition(sample.shape.blocks == blocks, "ChannelLayout: \(blocks) blocks from \(sample.shape)")
        let pixels = sample.shape.pixels
        for (channel, lane) in lanes.enumerated() {
            let source = sample.pointer + lane / 16 * pixels * 16 + lane % 16, target = planar + channel * pixels
            for p in 0..<pixels { target[p] = source[p * 16] }
        }
    }

    /// Calls `body` for each weight of a convolution from `self` to `output`: its index in
    /// `[output channel][input channel][tap]` and its index in the kernels' blocked layout.
    @inlinable
    public func forEachWeight(to output: ChannelLayout, taps: Int, _ body: (_ logical: Int, _ stored: Int) -> Void) {
        var logical = 0
        for k in output.lanes {
            for c in lanes {
                for tap in 0..<taps {
                    body(logical, ((k / 16 * blocks + c / 16) * taps + tap) * 256 + c % 16 * 16 + k % 16)
                    logical += 1
                }
            }
        }
    }
}
