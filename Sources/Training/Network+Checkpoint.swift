import Kernels
import Model

/// The names of all architectures. Not where it is used, because there `Node` is YAML's.
let architectureNames = Architecture.all.map(\.name)
/// The values of --convolution and --memory.
let convolutionMethods = ConvolutionMethod.allCases.map(\.rawValue), memoryModes = MemoryMode.allCases.map(\.rawValue)

extension TrainingConfiguration {
    /// `convolution` as the kernels take it; the options' table lets no other value in.
    package var convolutionMethod: ConvolutionMethod { ConvolutionMethod(rawValue: convolution)! }
    /// `memory` as a network takes it.
    package var memoryMode: MemoryMode { MemoryMode(rawValue: memory)! }
}

extension Network {
    /// The network of a configuration for images of one size.
    ///
    /// Throws `NetworkError` when the size does not fit the architecture.
    package static func graph(_ configuration: TrainingConfiguration, channels: Int, height: Int, width: Int) throws -> Node {
        let options = ArchitectureOptions(
            baseChannels: configuration.baseChannels, depth: configuration.depth, dropout: Float(configuration.dropout))
        return try Architecture.named(configuration.architecture).graph(channels: channels, height: height, width: width, options: options)
    }

    /// Parameters and optimizer state as a checkpoint holds them, each made when it is asked for: together they are as large as all of
    /// the network's memory that lasts.
    func parameters(with optimizer: Adam) -> some Sequence<Checkpoint.Parameter> {
        parameters.lazy.map { [parameterMemory] in
            Checkpoint.Parameter(
                name: $0.name, shape: $0.shape, values: $0.values(in: parameterMemory.pointer),
                firstMoment: $0.values(in: optimizer.firstMoments.baseAddress!),
                secondMoment: $0.values(in: optimizer.secondMoments.baseAddress!))
        }
    }

    /// Takes over a checkpoint's parameters, and its optimizer state if there is an optimizer.
    ///
    /// Throws `TrainingError` (`invalid`) that names the first parameter that differs, with both shapes.
    package func restore(_ checkpoint: Checkpoint, from path: String, into optimizer: Adam? = nil) throws {
        for (index, parameter) in parameters.enumerated() {
            guard index < checkpoint.parameters.count, checkpoint.parameters[index].name == parameter.name else {
                let found = index < checkpoint.parameters.count ? "has \(checkpoint.parameters[index].name) in its place" : "ends before it"
                throw TrainingError(
                    .invalid,
                    "\(path): another architecture: the network's \(parameter.name) \(parameter.shape) is missing, the checkpoint \(found)")
            }
            let stored = checkpoint.parameters[index]
            guard stored.shape == parameter.shape else {
                throw TrainingError(
                    .invalid,
                    "\(path): another architecture: \(parameter.name) is \(stored.shape) in the checkpoint, \(parameter.shape) in the network"
                )
            }
        }
        if checkpoint.parameters.count > parameters.count {
            throw TrainingError(
                .invalid, "\(path): another architecture: the network has no \(checkpoint.parameters[parameters.count].name)")
        }
        for (parameter, stored) in zip(parameters, checkpoint.parameters) {
            parameter.setValues(stored.values, in: parameterMemory.pointer)
            if let optimizer {
                parameter.setValues(stored.firstMoment, in: optimizer.firstMoments.baseAddress!)
                parameter.setValues(stored.secondMoment, in: optimizer.secondMoments.baseAddress!)
            }
        }
        optimizer?.step = checkpoint.progress.step
    }
}
