import Imaging
import Kernels
import Model

/// What one network, or several, think of one tile at a time: the mean of their probabilities over the tile's orientations, always
/// added in the same order.
///
/// The output may be smaller than the tile, by the same margin on each side.
package final class TileInference {
    /// Size of a tile.
    package let height, width: Int
    /// Size of what is said about it: the tile without a margin.
    package let outputHeight, outputWidth: Int
    /// Values of a pixel of the output.
    package let outputChannels: Int
    /// The tile, channel after channel, as the volume holds it: to be filled.
    package let tile: UnsafeMutableBufferPointer<Float>
    /// The result of `run`: channel after channel, each row after row.
    package let probabilities: UnsafeMutableBufferPointer<Float>
    private let channels: Int
    private let members: [Member]
    private let orientations: [Orientation]
    /// The tile as a member wants it, as a network sees it, and what that says.
    private let normalized, laid, output: UnsafeMutableBufferPointer<Float>

    /// One network: planned for tiles as they are and, where they are not square, for tiles that lie on their side.
    private struct Member {
        let network: Network
        let turned: Network
        let normalizer: Normalizer
    }

    /// A trained network.
    package struct Trained {
        var configuration: TrainingConfiguration
        var normalizer: Normalizer
    }

    /// Plans the networks, whose parameters are zero; they are to be set through `networks`.
    ///
    /// - Parameter orientations: how many of the eight: 1, 4 or 8.
    /// - Throws: `NetworkError` if an architecture cannot look at such tiles.
    package init(_ trained: [Trained], channels: Int, height: Int, width: Int, orientations: Int, device: Device) throws {
        (self.channels, self.height, self.width) = (channels, height, width)
        self.orientations = Orientation.all(orientations)
        let turns = height != width && self.orientations.contains(where: \.exchangesAxes)
        members = try trained.map { trained in
            func network(_ height: Int, _ width: Int, sharing shared: Network? = nil) throws -> Network {
                Network(
                    try Network.graph(trained.configuration, channels: channels, height: height, width: width),
                    purpose: .inference(batch: 1), device: device, sharing: shared,
                    convolution: trained.configuration.convolutionMethod)
            }
            let upright = try network(height, width)
            return Member(
                network: upright, turned: turns ? try network(width, height, sharing: upright) : upright,
                normalizer: trained.normalizer)
        }
        let shape = members[0].network.outputShape
        (outputChannels, outputHeight, outputWidth) = (shape.channels, shape.height, shape.width)
        for member in members.dropFirst() where member.network.outputShape != shape {
            let other = member.network.outputShape
            throw TrainingError(
                .invalid,
                "the networks do not fit together: one says \(shape.channels)×\(shape.height)×\(shape.width) values (channels × height × width) about a tile, another \(other.channels)×\(other.height)×\(other.width)"
            )
        }
        tile = .allocate(capacity: channels * height * width)
        normalized = .allocate(capacity: tile.count)
        laid = .allocate(capacity: tile.count)
        probabilities = .allocate(capacity: outputChannels * outputHeight * outputWidth)
        output = .allocate(capacity: probabilities.count)
    }

    deinit { for buffer in [tile, normalized, laid, probabilities, output] { buffer.deallocate() } }

    /// The networks in order, for their parameters.
    package var networks: [Network] { members.map(\.network) }
    /// Rows and columns at each edge of a tile about which nothing is said.
    package var margin: (rows: Int, columns: Int) { ((height - outputHeight) / 2, (width - outputWidth) / 2) }

    /// Bytes that this takes, parameters included.
    package var memoryBytes: Int {
        var bytes = 4 * [tile, normalized, laid, probabilities, output].map(\.count).reduce(0, +)
        for member in members {
            bytes += member.network.memoryBytes
            if member.turned !== member.network { bytes += member.turned.memoryBytes - 4 * member.turned.arenaCount }
        }
        return bytes
    }

    /// Whether `run` needs the moments of the page that the tile is of.
    package var needsPageMoments: Bool { members.contains(where: \.normalizer.needsPageMoments) }

    /// Computes the probabilities of `tile`, which is of this page. Returns whether all are finite.
    package func run(page: Int, moments: [PixelMoments]? = nil) -> Bool {
        probabilities.update(repeating: 0)
        for member in members {
            _ = normalized.update(from: tile)
            member.normalizer.apply(to: normalized, page: page, channels: channels, width: width, pageMoments: moments)
            for orientation in orientations {
                orientation.lay(normalized.baseAddress!, height: height, width: width, channels: channels, into: laid.baseAddress!)
                let network = orientation.exchangesAxes ? member.turned : member.network
                network.setInput(sample: 0, laid.baseAddress!)
                network.forward()
                network.probabilities(sample: 0, into: output.baseAddress!)
                orientation.addBack(
                    output.baseAddress!, height: outputHeight, width: outputWidth, channels: outputChannels,
                    to: probabilities.baseAddress!)
            }
        }
        let count = Float(members.count * orientations.count)
        if count > 1 { for i in probabilities.indices { probabilities[i] /= count } }
        return probabilities.allSatisfy(\.isFinite)
    }
}
