import Imaging
import Interchange
import Kernels
import Logging
import Model

/// The import of weights of another program: a checkpoint is made of them, to predict with or to go on from.
public struct NetworkImport: Sendable {
    /// The file of weights, and the checkpoint to write.
    private let input: String, output: String
    /// What the file does not say itself.
    public var architecture: String?
    /// Poolings from the first level to the deepest.
    public var depth: Int?
    /// How the way up enlarges an image.
    public var decoder: ArchitectureOptions.Decoder?
    /// What lies between a convolution and its ReLU.
    public var normalization: ArchitectureOptions.Normalization?
    /// The classes, in the order of the network's outputs.
    public var classes: LabelClasses?
    /// How pixel values become the network's input.
    public var imageNormalization: Normalization?

    /// An import of `input` into the checkpoint `output`.
    public init(_ input: String, to output: String) { (self.input, self.output) = (input, output) }

    /// Writes the checkpoint.
    ///
    /// - Throws: `TrainingError`, `ImagingError`, `InterchangeError`; no file is left then.
    public func run(logger: Logger) throws { try run(InputFile(input), logger: logger) }

    /// The same with an open file, whose path errors take from `input`.
    package func run(_ inputFile: InputFile, logger: Logger) throws {
        guard try !Checkpoint.isCheckpoint(inputFile) else {
            throw TrainingError(.usage, "\(input) is a checkpoint already")
        }
        let hash = try InitialWeights.hash(of: inputFile)
        let file = try WeightFile(inputFile)
        let (configuration, channels) = try configuration(for: file)
        let rule = try configuration.inputSize
        let graph = try Network.graph(configuration, channels: channels, height: rule.smallest, width: rule.smallest)
        try requireSize(of: graph, in: file, configuration)
        let network = Network(graph, purpose: .inference(batch: 1), device: Device())
        let assignment = try WeightAssignment(of: file, to: network)
        guard assignment.missing.isEmpty && assignment.unknown.isEmpty else {
            let missing = assignment.missing.isEmpty ? "" : " The network's \(assignment.missing.joined(separator: ", ")) are missing."
            let unknown = assignment.unknown.isEmpty ? "" : " It has no \(assignment.unknown.joined(separator: ", "))."
            throw TrainingError(
                .invalid,
                "\(input): these are the weights of another network than \(configuration.architecture) of depth \(configuration.depth).\(missing)\(unknown) Set --architecture, --depth, --decoder and --norm; train --initial-weights takes a part of the layers"
            )
        }
        try assignment.load(into: network)
        let checkpoint = Checkpoint(
            configuration: configuration, progress: TrainingProgress(),
            data: .init(
                fingerprint: hash, normalization: imageNormalization ?? file.description?.normalization ?? .divide(by: 255),
                channels: channels),
            metrics: [:],
            parameters: network.parameters.map {
                .init(name: $0.name, shape: $0.shape, values: $0.values(in: network.parameterMemory.pointer), optimizerState: [:])
            })
        try checkpoint.withFile(named: output, parameters: checkpoint.parameters) { image, seal in
            let file = try AtomicFile(output)
            try file.write(image)
            try file.write(seal)
            try file.commit()
        }
        logger.notice(
            "\(input) (\(file.format)): \(configuration.architecture), \(network.parameterCount) parameters; pixel values: \(checkpoint.data.normalization)"
        )
        logger.notice("wrote \(output)")
    }

    /// Throws if a network is so much larger than the file that its memory must not be taken to find out which layers are missing.
    private func requireSize(of output: Node, in file: WeightFile, _ configuration: TrainingConfiguration) throws {
        func count(_ shape: [Int]) -> Double { shape.reduce(1) { $0 * Double($1) } }
        let wanted = Graph(output).nodes.flatMap { $0.layer.parameters($0.inputs.map(\.shape), $0.shape) }.map { count($0.shape) }.reduce(
            0, +)
        let found = file.weights.map { count($0.shape) }.reduce(0, +)
        guard wanted <= 16 * found + 1e7 else {
            throw TrainingError(
                .invalid,
                "\(input): \(configuration.architecture) of depth \(configuration.depth) with \(configuration.baseChannels) channels at the first level has \(Int(wanted)) parameters, and the file \(Int(found)); set --architecture and --depth"
            )
        }
    }

    /// What the file says of its network, what its shapes tell, and what the user says, who is right.
    private func configuration(for file: WeightFile) throws -> (TrainingConfiguration, channels: Int) {
        guard let first = file.weights.first(where: { $0.shape.count == 4 }) else {
            throw TrainingError(.invalid, "\(input): there is no kernel of a convolution in the file")
        }
        let isKeras = file.format.hasPrefix("Keras"), known = file.description
        guard let architecture = architecture ?? known?.architecture ?? (isKeras ? "unet-keras" : nil) else {
            throw TrainingError(
                .usage,
                "\(input) does not say which network it belongs to: give --architecture, and --depth, --decoder and --norm if they are not the usual ones"
            )
        }
        var configuration = TrainingConfiguration()
        // Files of others may have their tensors in any order: the shape of the first layer is that of a kernel with the fewest inputs.
        let entry =
            known == nil ? file.weights.filter { $0.shape.count == 4 && $0.shape[2] > 1 }.min { $0.shape[1] < $1.shape[1] } ?? first : first
        // Two convolutions a level down and up, one that enlarges, two at the end; each has a kernel and a bias.
        let levels = depth ?? known?.options.depth ?? (isKeras ? (file.weights.count / 2 - 4) / 5 : configuration.depth)
        configuration.decoder = (decoder ?? known?.options.decoder ?? .upsample).rawValue
        configuration.normalization = (normalization ?? known?.options.normalization ?? .none).rawValue
        let channels = known?.channels ?? entry.shape[1]
        guard (1...1 << 16).contains(channels) else {
            throw TrainingError(.invalid, "\(input): is for images of \(channels) channels; from 1 to 65536 are possible")
        }
        // By way of the options, whose table says what is possible.
        let sizes = [
            ("architecture", architecture), ("base-channels", "\(known?.options.baseChannels ?? entry.shape[0])"), ("depth", "\(levels)"),
        ]
        let rate = known.map { [("dropout", "\($0.options.dropout)")] } ?? []
        do {
            try configuration.apply((sizes + rate).map { (name: $0.0, value: $0.1) })
        } catch let error as TrainingError { throw TrainingError(.invalid, "\(input): is of a network that cannot be built: \(error)") }
        configuration.classes = classes
        if classes == nil, let names = known?.classes, names.count > 1 {
            do {
                configuration.classes = try LabelClasses(names.enumerated().map { (value: $0, name: $1, color: nil) })
            } catch { throw TrainingError(.invalid, "\(input): its classes \(names) cannot be used: \(error); give --classes") }
        }
        do {
            try configuration.validateNetwork()
        } catch let error as TrainingError {
            throw TrainingError(error.kind, "\(input): \(error)")
        }
        return (configuration, channels)
    }
}
