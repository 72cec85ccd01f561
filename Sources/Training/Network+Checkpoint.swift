import DataParallel
import Kernels
import Model

/// The names of all architectures. Not where it is used, because there `Node` is YAML's.
let architectureNames = Architecture.all.map(\.name)
/// The values of --decoder and --norm.
let decoders = ArchitectureOptions.Decoder.allCases.map(\.rawValue)
let normalizations = ArchitectureOptions.Normalization.allCases.map(\.rawValue)
/// The values of --convolution, --memory and --reduction.
let convolutionMethods = ConvolutionMethod.allCases.map(\.rawValue), memoryModes = MemoryMode.allCases.map(\.rawValue)
let reductionMethods = ReductionMethod.allCases.map(\.rawValue)

extension TrainingConfiguration {
    /// `convolution` as the kernels take it; the options' table lets no other value in.
    package var convolutionMethod: ConvolutionMethod { ConvolutionMethod(rawValue: convolution)! }
    /// `memory` as a network takes it.
    package var memoryMode: MemoryMode { MemoryMode(rawValue: memory)! }
    /// `reduction` as a reducer takes it.
    package var reductionMethod: ReductionMethod { ReductionMethod(rawValue: reduction)! }
    /// The parts of `part`, positions of the batch, that a rank must keep sums of.
    func blocks(of part: Range<Int>) -> [Range<Int>] { reductionMethod.blocks(of: part, in: batchSize) }
    /// What the architectures are asked for.
    package var architectureOptions: ArchitectureOptions {
        ArchitectureOptions(
            baseChannels: baseChannels, depth: depth, dropout: Float(dropout), decoder: .init(rawValue: decoder)!,
            normalization: .init(rawValue: normalization)!, outputChannels: outputChannels)
    }
}

extension Network {
    /// The network of a configuration for images of one size.
    ///
    /// Throws `NetworkError` when the size does not fit the architecture.
    package static func graph(_ configuration: TrainingConfiguration, channels: Int, height: Int, width: Int) throws -> Node {
        try Architecture.named(configuration.architecture).graph(
            channels: channels, height: height, width: width, options: configuration.architectureOptions)
    }

    /// The network that trains on the samples at the positions `part` of the batch; with the parameters of `shared`, if there is one.
    ///
    /// Throws `NetworkError` when the size does not fit the architecture.
    static func training(
        _ configuration: TrainingConfiguration, part: Range<Int>, channels: Int, height: Int, width: Int, device: Device,
        sharing shared: Network? = nil
    ) throws -> Network {
        Network(
            try graph(configuration, channels: channels, height: height, width: width),
            purpose: .training(blocks: configuration.blocks(of: part), split: { BatchTree.split($0) }), device: device, sharing: shared,
            convolution: configuration.convolutionMethod, memory: configuration.memoryMode, accumulation: configuration.accumulate,
            loss: configuration.lossFunction)
    }

    /// Parameters, their average and the optimizer's state as a checkpoint holds them, each made when it is asked for: together they are
    /// as large as all of the network's memory that lasts.
    func parameters(with optimizer: any Optimizer, average: WeightAverage?) -> some Sequence<Checkpoint.Parameter> {
        let states = optimizer.state
        return parameters.lazy.map { [parameterMemory] parameter in
            Checkpoint.Parameter(
                name: parameter.name, shape: parameter.shape, values: parameter.values(in: parameterMemory.pointer),
                average: average.map { parameter.values(in: $0.memory.pointer) },
                optimizerState: Dictionary(
                    uniqueKeysWithValues: states.map { state in
                        // No optimizer knows of running statistics.
                        let known = parameter.isTrainable ? parameter.values(in: state.values.baseAddress!) : nil
                        return (state.name, known ?? [Float](repeating: 0, count: parameter.count))
                    }))
        }
    }

    /// Takes over a checkpoint's parameters to predict with: their moving average, if it has one.
    ///
    /// Throws `TrainingError` (`invalid`) that names the first parameter that differs, with both shapes.
    package func restore(_ checkpoint: Checkpoint, from path: String) throws {
        try compare(with: checkpoint, from: path)
        for (parameter, stored) in zip(parameters, checkpoint.parameters) {
            parameter.setValues(stored.average ?? stored.values, in: parameterMemory.pointer)
        }
    }

    /// Takes over a checkpoint's parameters, and what it has of the optimizer's state and of an average, to go on with the training. An
    /// average that it does not have begins at the parameters.
    ///
    /// Throws as above.
    func restore(_ checkpoint: Checkpoint, from path: String, into optimizer: any Optimizer, average: WeightAverage?) throws {
        try compare(with: checkpoint, from: path)
        for (parameter, stored) in zip(parameters, checkpoint.parameters) {
            parameter.setValues(stored.values, in: parameterMemory.pointer)
            for state in optimizer.state where parameter.isTrainable {
                if let values = stored.optimizerState[state.name] { parameter.setValues(values, in: state.values.baseAddress!) }
            }
            if let average { parameter.setValues(stored.average ?? stored.values, in: average.memory.pointer) }
        }
        optimizer.step = checkpoint.progress.updates
    }

    /// Throws where the checkpoint is another network's.
    private func compare(with checkpoint: Checkpoint, from path: String) throws {
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
    }
}
