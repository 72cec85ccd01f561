import Kernels

/// A network planned for one image size and local batch: its graph, its arenas, and the passes through it.
///
/// All memory is sized here, once; a pass allocates nothing. Parameters lie in forward order, so that backward finishes
/// the gradient buffer from its end: what is ready is always a growing suffix.
public final class Network {
    /// What a network is planned for.
    public enum Purpose {
        /// Forward and backward. `blocks` are ranges of positions in the global batch, each a node of the canonical tree
        /// (together the local batch, in order); `split` says where the tree divides a range. Each block gets a gradient
        /// buffer of its own.
        case training(blocks: [Range<Int>], split: @Sendable (Range<Int>) -> Int)
        /// Forward only, `batch` samples at once.
        case inference(batch: Int)
    }

    /// What computes.
    public let device: Device
    /// Samples of the local batch.
    public let batch: Int
    /// Size of one input sample.
    public let inputShape: NodeShape
    /// Size of one output sample.
    public let outputShape: NodeShape
    /// All parameters in storage order.
    public let parameters: [Parameter]
    /// Floats of one parameter (or gradient) buffer, padding included; a multiple of 16.
    public let arenaCount: Int
    /// Parameter values; shared with the network they were taken from.
    public let parameterMemory: ParameterMemory
    /// Loss and accuracy counts of each local sample, filled by `evaluateLoss`.
    public private(set) var losses: [BinaryCrossEntropy.Sums]

    let graph: Graph
    private let blocks: [Range<Int>]
    private let split: @Sendable (Range<Int>) -> Int
    private let steps: [Step]
    private let layerRanges: [Range<Int>]
    private let activations: Arena
    private let gradients: Arena
    private let scratch: Arena
    private let targets: Arena
    private let partialSums: UnsafeMutablePointer<Float>
    private let lossRows: UnsafeMutableBufferPointer<BinaryCrossEntropy.Sums>
    private let outputGradient: Tensor?

    /// Plans the network whose output is `output`.
    ///
    /// - Parameters:
    ///   - output: the logits: one channel of the input's height and width for the losses here.
    ///   - purpose: training or inference.
    ///   - device: what computes.
    ///   - shared: a network of the same architecture whose parameters this one uses.
    public init(_ output: Node, purpose: Purpose, device: Device, sharing shared: Network? = nil) {
        let training: Bool
        switch purpose {
        case .training(let blocks, let split):
            training = true
            self.blocks = blocks
            self.split = split
            batch = blocks.map(\.count).reduce(0, +)
        case .inference(let batch):
            training = false
            blocks = []
            split = { $0.lowerBound + 1 }
            self.batch = batch
        }
        precondition(batch > 0, "Network: a batch of \(batch)")
        self.device = device
        let graph = Graph(output)
        self.graph = graph
        outputShape = output.shape
        inputShape = graph.nodes.first { $0.inputs.isEmpty }!.shape

        // Parameters, in forward order.
        var parameters: [Parameter] = [], parameterOffsets: [[Int]] = [], layerRanges: [Range<Int>] = []
        var end = 0, largestLayer = 0
        for (i, node) in graph.nodes.enumerated() {
            let start = end
            var offsets: [Int] = []
            for description in node.layer.parameters(node.inputs.map(\.shape), node.shape) {
                offsets.append(end - start)
                parameters.append(
                    Parameter(
                        name: "\(graph.names[i]).\(description.role)", shape: description.shape,
                        range: end..<(end + description.storedCount),
                        initializer: description.initializer, order: description.order))
                end += description.storedCount
            }
            layerRanges.append(start..<end)
            parameterOffsets.append(offsets)
            largestLayer = max(largestLayer, end - start)
        }
        self.parameters = parameters
        self.layerRanges = layerRanges
        arenaCount = end
        if let shared {
            precondition(
                shared.parameters.map(\.range) == parameters.map(\.range),
                "Network: the shared parameters are those of another architecture")
            parameterMemory = shared.parameterMemory
        } else {
            parameterMemory = ParameterMemory(count: end)
        }

        let parameterBase = parameterMemory.pointer
        let plan = NetworkPlan(graph, batch: batch, training: training)
        activations = Arena(count: plan.memory.count)
        let base = activations.pointer
        gradients = Arena(count: training ? blocks.count * end : 0)
        targets = Arena(count: training ? batch * output.shape.height * output.shape.width : 0)
        let split = self.split
        let levels = blocks.map { NetworkPlan.depth($0, split) }.max() ?? 0
        let outputGradient = plan.gradient(of: graph.nodes.count - 1, in: base)
        self.outputGradient = outputGradient
        losses = Array(repeating: .init(), count: training ? batch : 0)
        lossRows = .allocate(capacity: training ? output.shape.height : 0)

        var steps: [Step] = []
        var scratchCount = 0, drawing = 0
        for (i, node) in graph.nodes.enumerated() {
            if node.layer is Dropout2D { drawing += 1 }
            let step = Step(
                inputs: graph.inputs[i].map { plan.value(of: $0, in: base) }, output: plan.value(of: i, in: base),
                inputShapes: node.inputs.map(\.shape), outputGradient: plan.gradient(of: i, in: base),
                inputGradients: plan.inputGradients(of: i, in: base),
                parameters: layerRanges[i].isEmpty ? nil : parameterBase + layerRanges[i].lowerBound,
                parameterOffsets: parameterOffsets[i], ordinal: drawing)
            scratchCount = max(scratchCount, node.layer.scratchCount(step, on: device))
            steps.append(step)
        }
        scratchCount = (scratchCount + 15) / 16 * 16
        scratch = Arena(count: scratchCount + levels * largestLayer)
        partialSums = scratch.pointer + scratchCount
        let memory = scratch.pointer
        self.steps = steps.map { $0.withScratch(memory) }
    }

    deinit { lossRows.deallocate() }

    /// Number of trainable values, padding not counted.
    public var parameterCount: Int { parameters.map(\.count).reduce(0, +) }
    /// Parameter values, `arenaCount` floats.
    public var parameterValues: UnsafeMutableBufferPointer<Float> { parameterMemory.buffer }
    /// One gradient buffer of `arenaCount` floats for each block of the local batch.
    public var gradientValues: UnsafeMutableBufferPointer<Float> { gradients.buffer }
    /// Bytes of all arenas: parameters, gradients, activations with their gradients, scratch.
    public var memoryBytes: Int { (arenaCount + gradients.count + activations.count + scratch.count + targets.count) * 4 }

    /// Draws the initial parameters: a pure function of the seed.
    public func initializeParameters(seed: UInt64) {
        for (ordinal, parameter) in parameters.enumerated() {
            let filters = (0..<parameter.shape[0]).map { filter in
                parameter.initializer.values(shape: parameter.shape, filter: filter, seed: seed, ordinal: ordinal)
            }
            parameter.setValues(Array(filters.joined()), in: parameterMemory.pointer)
        }
    }

    // MARK: Data in and out

    /// Copies one image, planar `[channels][height][width]`, into sample `sample` of the input.
    public func setInput(sample: Int, _ planar: UnsafePointer<Float>) {
        inputShape.layout.pack(planar, into: steps[0].output.sample(sample))
    }

    /// The labels of sample `sample`, `[height][width]`, 0 or 1, to be filled.
    public func target(sample: Int) -> UnsafeMutableBufferPointer<Float> {
        precondition(sample < batch && targets.count > 0, "Network: target \(sample) of \(batch)")
        let pixels = outputShape.height * outputShape.width
        return UnsafeMutableBufferPointer(start: targets.pointer + sample * pixels, count: pixels)
    }

    /// Logits of sample `sample`, planar.
    public func logits(sample: Int, into result: UnsafeMutablePointer<Float>) {
        outputShape.layout.unpack(steps[steps.count - 1].output.sample(sample), into: result)
    }

    /// Probabilities of the foreground of sample `sample`, `[height][width]`.
    public func probabilities(sample: Int, into result: UnsafeMutablePointer<Float>) {
        BinaryCrossEntropy.probabilities(steps[steps.count - 1].output.sample(sample), into: result)
    }

    // MARK: Passes

    /// Computes the output. `firstPosition` is the first local sample's position in the global stream (dropout depends on it).
    public func forward(training: Bool = false, seed: UInt64 = 0, firstPosition: Int = 0) {
        let pass = Pass(device: device, training: training, seed: seed, firstPosition: UInt64(firstPosition))
        for (node, step) in zip(graph.nodes, steps) { node.layer.forward(step, pass) }
    }

    /// Computes binary cross-entropy and accuracy of each sample into `losses`, and the gradient of the logits times `scale`
    /// (1 / (global batch · pixels) makes the sum over all ranks the gradient of the mean loss).
    public func evaluateLoss(scale: Float) {
        let output = steps[steps.count - 1].output
        for sample in 0..<batch {
            losses[sample] = BinaryCrossEntropy.evaluate(
                on: device, logits: output.sample(sample), target: target(sample: sample).baseAddress!,
                gradient: outputGradient!.sample(sample), scale: scale, rows: lossRows.baseAddress!)
        }
        if graph.isRectified[steps.count - 1] {
            Elementwise.copy(on: device, outputGradient!, to: outputGradient!, mask: output)
        }
    }

    /// Computes the gradients of all parameters from the gradient that `evaluateLoss` left, each block of samples summed
    /// along the tree into its own buffer. Calls `finished` with each range of the buffers that has become final: they
    /// join up to a growing suffix. The arguments are those of the forward pass.
    public func backward(
        training: Bool = true, seed: UInt64 = 0, firstPosition: Int = 0, finished: (Range<Int>) throws -> Void
    ) rethrows {
        let pass = Pass(device: device, training: training, seed: seed, firstPosition: UInt64(firstPosition))
        for i in steps.indices.reversed() where graph.needsGradient[i] {
            let layer = graph.nodes[i].layer, range = layerRanges[i]
            if !range.isEmpty {
                for (b, block) in blocks.enumerated() {
                    sumGradients(
                        layer, steps[i], pass, block, into: gradients.pointer + b * arenaCount + range.lowerBound, count: range.count,
                        level: 0)
                }
                try finished(range)
            }
            layer.inputGradient(steps[i], pass)
        }
    }

    /// The same, with nothing to do in between.
    public func backward(training: Bool = true, seed: UInt64 = 0, firstPosition: Int = 0) {
        backward(training: training, seed: seed, firstPosition: firstPosition) { _ in }
    }

    /// The parameter gradient of the samples at global positions `range`, summed along the canonical tree.
    private func sumGradients(
        _ layer: any Layer, _ step: Step, _ pass: Pass, _ range: Range<Int>, into result: UnsafeMutablePointer<Float>, count: Int,
        level: Int
    ) {
        if range.count == 1 {
            return layer.parameterGradient(step, pass, sample: range.lowerBound - blocks[0].lowerBound, into: result)
        }
        let middle = split(range), right = partialSums + level * count
        sumGradients(layer, step, pass, range.lowerBound..<middle, into: result, count: count, level: level)
        sumGradients(layer, step, pass, middle..<range.upperBound, into: right, count: count, level: level + 1)
        Elementwise.add(on: device, right, to: result, count: count)
    }
}

/// The memory of a network's parameters, which networks planned for other sizes share.
public final class ParameterMemory {
    private let arena: Arena
    init(count: Int) { arena = Arena(count: count) }
    /// The first value.
    public var pointer: UnsafeMutablePointer<Float> { arena.pointer }
    /// All values.
    public var buffer: UnsafeMutableBufferPointer<Float> { arena.buffer }
}
