import Kernels

/// The table of geometries that all convolution tests share.
extension ConvolutionCase {
    private static let channels = [1, 2, 3, 5, 16, 17, 31, 32, 33, 48, 64, 80]
    /// Heights and widths: single pixels, single rows and columns, remainders of tiles of 4 in all combinations, several groups of tiles.
    private static let sizes = [
        (1, 1), (13, 4), (1, 2), (7, 7), (2, 1), (5, 4), (3, 3), (1, 30), (4, 7), (2, 2), (30, 13), (5, 5), (2, 3), (4, 4), (13, 13),
        (3, 2),
        (7, 3), (30, 2), (8, 8), (6, 9), (17, 5), (1, 5), (12, 16),
    ]

    /// Every pair of channel counts, sizes and batches in rotation (their numbers share no factor, so all meet).
    private static func pairs(_ algorithm: ConvolutionAlgorithm, offset: Int) -> [ConvolutionCase] {
        var result: [ConvolutionCase] = []
        for c in channels {
            for k in channels {
                let (height, width) = sizes[(result.count + offset) % sizes.count]
                result.append(
                    ConvolutionCase(algorithm, [c], [k], height, width, batch: 1 + (result.count / channels.count + result.count) % 3))
            }
        }
        return result
    }

    /// Concatenations whose parts end in the middle of a block.
    private static let concatenations = [
        ConvolutionCase(.winograd4, [5, 17], [20], 7, 6, batch: 2), ConvolutionCase(.winograd4, [16, 3, 1], [1, 1, 30], 9, 5),
        ConvolutionCase(.winograd6, [5, 17], [20], 8, 6, batch: 2), ConvolutionCase(.winograd6, [16, 3, 1], [1, 1, 30], 13, 5),
        ConvolutionCase(.upsampled, [33, 31], [5, 17], 3, 5, batch: 2), ConvolutionCase(.pointwise, [1, 1, 1], [2, 20], 6, 7, batch: 3),
        ConvolutionCase(.transposed, [5, 17], [33, 31], 3, 5, batch: 2), ConvolutionCase(.transposed, [1, 1, 1], [2, 20], 6, 7, batch: 3),
        ConvolutionCase(.general, [5, 17], [3, 14], 6, 7, batch: 2, kernel: (5, 3)),
    ]

    private static let gathered: [ConvolutionCase] = {
        let kernels: [(Int, Int, upTo: Int)] = [(3, 3, 3), (5, 5, 2), (7, 7, 1), (1, 3, 3), (4, 3, 3), (2, 2, 3)]
        var result: [ConvolutionCase] = []
        for (height, width, most) in kernels {
            for c in 1...most {
                for k in [1, 16, 33, 64] {
                    let size = sizes[result.count * 5 % sizes.count]
                    result.append(
                        ConvolutionCase(.gathered, [c], [k], size.0, size.1, batch: 1 + result.count % 3, kernel: (height, width)))
                }
            }
        }
        return result
    }()

    private static let general: [ConvolutionCase] = {
        let kernels = [(5, 5), (2, 2), (7, 1), (1, 5), (4, 4), (3, 3), (7, 7)]
        let pairs = [(1, 1), (3, 33), (16, 16), (17, 5), (33, 64), (48, 2), (80, 17)]
        var result: [ConvolutionCase] = []
        for kernel in kernels {
            for (c, k) in pairs {
                let size = sizes[result.count * 3 % sizes.count]
                result.append(ConvolutionCase(.general, [c], [k], size.0, size.1, batch: 1 + result.count % 3, kernel: kernel))
            }
        }
        return result
    }()

    /// Shapes that take other paths through the blocking.
    static let large = [
        // Weights transformed block by block, for one group of all tiles: many channels; an odd number of blocks.
        ConvolutionCase(.winograd4, [512], [512], 8, 8, batch: 2), ConvolutionCase(.winograd4, [1040], [560], 5, 3),
        ConvolutionCase(.winograd6, [512], [512], 8, 8, batch: 2), ConvolutionCase(.winograd6, [1040], [560], 5, 3),
        // The same for several groups (more than 512 pairs of blocks), and weights transformed once for several groups.
        ConvolutionCase(.winograd4, [368], [368], 66, 70), ConvolutionCase(.winograd6, [368], [368], 98, 100),
        ConvolutionCase(.winograd4, [20], [40], 67, 70), ConvolutionCase(.winograd6, [40], [20], 98, 100, batch: 2),
        // Several groups of tiles in the weight gradient, of 64 (few channels) and of 256 (many).
        ConvolutionCase(.winograd4, [20], [17], 41, 40, batch: 2), ConvolutionCase(.winograd4, [272], [272], 65, 62),
        ConvolutionCase(.winograd6, [20], [17], 61, 60, batch: 2), ConvolutionCase(.winograd6, [272], [272], 97, 98),
        // Outputs written past the caches, forward and backward.
        ConvolutionCase(.winograd4, [2], [32], 129, 130), ConvolutionCase(.winograd6, [32], [32], 129, 130, batch: 2),
        ConvolutionCase(.upsampled, [256], [130], 21, 20), ConvolutionCase(.transposed, [256], [130], 21, 20),
        ConvolutionCase(.pointwise, [300], [200], 25, 27, batch: 2),
        ConvolutionCase(.gathered, [3], [20], 40, 33, batch: 2, kernel: (3, 3)),
        // Several bands of patches, forward and backward.
        ConvolutionCase(.general, [80], [5], 30, 30, batch: 2, kernel: (7, 7)),
        ConvolutionCase(.general, [5], [80], 30, 30, kernel: (7, 7)),
    ]

    /// Without padding: outputs of a single pixel or row, remainders of tiles in all combinations, every algorithm.
    private static let unpadded: [ConvolutionCase] = {
        let sizes = [(3, 3), (15, 6), (4, 9), (32, 15), (7, 3), (6, 6), (3, 32), (8, 11), (10, 14), (13, 4)]
        let pairs = [(17, 33), (16, 16), (5, 17), (33, 20), (48, 64), (64, 1), (1, 3), (80, 48), (2, 5), (31, 2)]
        var result: [ConvolutionCase] = []
        for algorithm: ConvolutionAlgorithm in [.winograd4, .winograd6] {
            for (i, (c, k)) in pairs.enumerated() {
                for j in [0, 3] {
                    let (height, width) = sizes[(i + j) % sizes.count]
                    result.append(ConvolutionCase(algorithm, [c], [k], height, width, batch: 1 + (i + j) % 3, valid: true))
                }
            }
        }
        for (i, (kernel, channels)) in zip([(3, 3), (5, 5), (2, 2), (3, 3)], [1, 2, 3, 3]).enumerated() {
            result.append(ConvolutionCase(.gathered, [channels], [17 + 16 * i], 5 + 4 * i, 9 - i, batch: 2, kernel: kernel, valid: true))
        }
        for (i, kernel) in [(5, 5), (2, 2), (7, 1), (1, 5), (3, 3)].enumerated() {
            result.append(ConvolutionCase(.general, [17], [5 + 16 * i], 7 + i, 5 + 2 * i, batch: 2, kernel: kernel, valid: true))
        }
        return result + [
            ConvolutionCase(.pointwise, [20], [5], 6, 7, batch: 2, valid: true),
            ConvolutionCase(.winograd4, [512], [512], 10, 8, batch: 2, valid: true),
            ConvolutionCase(.winograd4, [20], [17], 45, 40, batch: 2, valid: true),
            ConvolutionCase(.winograd6, [20], [40], 100, 103, batch: 2, valid: true),
            ConvolutionCase(.winograd6, [5, 17], [1, 1, 30], 13, 9, valid: true),
        ]
    }()

    static let table =
        pairs(.winograd4, offset: 0) + pairs(.winograd6, offset: 3) + pairs(.upsampled, offset: 7) + pairs(.transposed, offset: 11)
        + pairs(.pointwise, offset: 15) + concatenations + gathered + general + unpadded
        + large
}
