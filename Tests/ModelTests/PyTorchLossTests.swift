import Kernels
import Model
import TestSupport
import Testing

/// Losses against PyTorch's in double precision; each is the mean over the samples.
@Suite struct PyTorchLossTests {
    static let losses: [(String, Loss)] = [
        ("binary/bce", .crossEntropy), ("binary/weighted-bce", Loss(classWeights: .balanced)),
        ("binary/border", Loss(hasPixelWeights: true)), ("binary/dice", Loss(crossEntropy: 0, dice: 1)),
        ("binary/bce-dice", Loss(crossEntropy: 1, dice: 1)), ("binary/focal", Loss(focus: 2, classWeights: .foreground(0.25))),
        ("classes/cross-entropy", .crossEntropy), ("classes/weighted-cross-entropy", Loss(classWeights: .balanced)),
        ("classes/border", Loss(hasPixelWeights: true)), ("classes/dice", Loss(crossEntropy: 0, dice: 1)),
        ("classes/focal", Loss(focus: 2)),
    ]

    @Test(arguments: losses) func valueAndGradient(_ name: String, _ loss: Loss) throws {
        let fixture = try Fixture("training"), group = "losses/" + name.prefix { $0 != "/" }
        let shape = try fixture.file.dataset("\(group)/logits").shape,
            (batch, channels, height, width) = (shape[0], shape[1], shape[2], shape[3])
        let logits = try fixture("\(group)/logits"), labels = try fixture("\(group)/labels"), weights = try fixture("\(group)/weights")
        let expected = try fixture("losses/\(name)/gradient"), pixels = height * width, layout = ChannelLayout(channels)
        let values = Arena(count: layout.blocks * pixels * 16), gradient = Arena(count: layout.blocks * pixels * 16)
        let tensorShape = Shape(batch: 1, blocks: layout.blocks, height: height, width: width)
        let input = Tensor(values.pointer, tensorShape), output = Tensor(gradient.pointer, tensorShape)
        var total = 0.0, found: [Float] = []
        for sample in 0..<batch {
            logits.withUnsafeBufferPointer { layout.pack($0.baseAddress! + sample * channels * pixels, into: input) }
            labels.withUnsafeBufferPointer { labels in
                weights.withUnsafeBufferPointer { weights in
                    total +=
                        loss.evaluate(
                            on: Device(), logits: input, target: labels.baseAddress! + sample * pixels,
                            weights: loss.hasPixelWeights ? weights.baseAddress! + sample * pixels : nil, gradient: output,
                            scale: 1 / Float(batch * pixels), workspace: LossWorkspace(channels: channels, height: height)
                        ).loss / Double(batch * pixels)
                }
            }
            var planar = [Float](repeating: 0, count: channels * pixels)
            planar.withUnsafeMutableBufferPointer { layout.unpack(output, into: $0.baseAddress!) }
            found += planar
        }
        let value = try fixture.file.read("losses/\(name)/value", as: Double.self)[0]
        #expect(abs(total - value) < 1e-6 * value, "\(total), PyTorch \(value)")
        let error = relativeError(found, expected)
        #expect(error < 1e-6, "\(error)")
    }
}
