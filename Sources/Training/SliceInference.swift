import Imaging
import Kernels
import Model

/// A network that looks at whole slices of any size: they are continued by reflection to the next size that the network takes, and by the
/// margin that its output lacks, and the result is cut back.
package final class SliceInference {
    /// Rows and columns of a slice.
    package let height, width: Int
    /// The slice, channel after channel, to be filled.
    package let image: UnsafeMutableBufferPointer<Float>
    /// The result of `run`: probabilities of the foreground, row after row, or of each class, class after class.
    package let probabilities: UnsafeMutableBufferPointer<Float>
    /// The result of `run`: logits, likewise.
    package let logits: UnsafeMutableBufferPointer<Float>
    /// The network; its parameters may be those of another one.
    package let network: Network
    private let channels, paddedHeight, paddedWidth: Int
    /// Of the network.
    private let inputSize: InputSizeRule
    private let padded: UnsafeMutableBufferPointer<Float>
    private let output: UnsafeMutableBufferPointer<Float>

    /// A network for slices of this size.
    ///
    /// - Parameters:
    ///   - shared: The network whose parameters to use; without it they are to be restored from a checkpoint.
    ///   - average: The parameters to use instead of those of `shared`.
    package init(
        _ configuration: TrainingConfiguration, channels: Int, height: Int, width: Int, device: Device, sharing shared: Network? = nil,
        average: ParameterMemory? = nil
    ) throws {
        (self.channels, self.height, self.width) = (channels, height, width)
        inputSize = try configuration.inputSize
        (paddedHeight, paddedWidth) = (inputSize.input(showing: height), inputSize.input(showing: width))
        let graph = try Network.graph(configuration, channels: channels, height: paddedHeight, width: paddedWidth)
        network = Network(
            graph, purpose: .inference(batch: 1), device: device, sharing: shared, average: average,
            convolution: configuration.convolutionMethod)
        image = .allocate(capacity: channels * height * width)
        probabilities = .allocate(capacity: network.outputShape.channels * height * width)
        logits = .allocate(capacity: probabilities.count)
        padded = .allocate(capacity: channels * paddedHeight * paddedWidth)
        output = .allocate(
            capacity: network.outputShape.channels * inputSize.output(of: paddedHeight) * inputSize.output(of: paddedWidth))
    }

    deinit { for buffer in [image, probabilities, logits, padded, output] { buffer.deallocate() } }

    /// Bytes that this takes, parameters of its own included.
    package var memoryBytes: Int { network.memoryBytes + 4 * [image, probabilities, logits, padded, output].map(\.count).reduce(0, +) }

    /// Computes logits and probabilities of `image`.
    package func run() {
        for channel in 0..<channels {
            for y in 0..<paddedHeight {
                let row = reflected(y - inputSize.margin, height)
                let source = (channel * height + row) * width, target = (channel * paddedHeight + y) * paddedWidth
                for x in 0..<paddedWidth { padded[target + x] = image[source + reflected(x - inputSize.margin, width)] }
            }
        }
        network.setInput(sample: 0, padded.baseAddress!)
        network.forward()
        network.probabilities(sample: 0, into: output.baseAddress!)
        cut(to: probabilities)
        network.logits(sample: 0, into: output.baseAddress!)
        cut(to: logits)
    }

    private func cut(to result: UnsafeMutableBufferPointer<Float>) {
        let shape = network.outputShape
        for channel in 0..<shape.channels {
            for y in 0..<height {
                let source = (channel * shape.height + y) * shape.width, target = (channel * height + y) * width
                for x in 0..<width { result[target + x] = output[source + x] }
            }
        }
    }
}
