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

    /// Measures the passes where it is wanted (`startProfile`).
    var profile: NetworkProfile?

    let graph: Graph
    let steps: [Step]
    private let blocks: [Range<Int>]
    private let split: @Sendable (Range<Int>) -> Int
    /// The planar images of the local batch where only one sample is in the activations at a time (`MemoryMode.low`); empty otherwise.
    private let images: Arena
    private let isSequential: Bool
    /// Which sample's forward pass is in the activations.
    private var held: Int?
    private var pass: Pass?
    private var lossScale: Float = 0
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
    ///   - average: the parameters to use instead of those of `shared`: a moving average of them.
    ///   - convolution: how convolutions are computed.
    ///   - memory: what is kept in memory while training.
    public init(
        _ output: Node, purpose: Purpose, device: Device, sharing shared: Network? = nil, average: ParameterMemory? = nil,
        convolution: ConvolutionMethod = .automatic, memory: MemoryMode = .fast
    ) {
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
            parameterMemory = average ?? shared.parameterMemory
        } else {
            parameterMemory = ParameterMemory(count: end)
        }

        let parameterBase = parameterMemory.pointer
        isSequential = training && memory == .low && batch > 1
        let isSequential = isSequential
        let plan = NetworkPlan(graph, batch: isSequential ? 1 : batch, training: training)
        images = Arena(count: isSequential ? batch * inputShape.channels * inputShape.height * inputShape.width : 0)
        activations = Arena(count: plan.memory.count)
        let base = activations.pointer
        gradients = Arena(count: training ? blocks.count * end : 0)
        targets = Arena(count: training ? batch * output.shape.height * output.shape.width : 0)
        let split = self.split
        let levels = blocks.map { isSequential ? Network.depth($0, split) : NetworkPlan.depth($0, split) }.max() ?? 0
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
                parameterOffsets: parameterOffsets[i], ordinal: drawing, convolution: convolution)
            scratchCount = max(scratchCount, node.layer.scratchCount(step, on: device))
            steps.append(step)
        }
        scratchCount = (scratchCount + 15) / 16 * 16
        scratch = Arena(count: scratchCount + levels * (isSequential ? end : largestLayer))
        partialSums = scratch.pointer + scratchCount
        for i in steps.indices { steps[i].scratch = scratch.pointer }
        self.steps = steps
    }

    deinit { lossRows.deallocate() }

    /// Number of trainable values, padding not counted.
    public var parameterCount: Int { parameters.map(\.count).reduce(0, +) }
    /// Parameter values, `arenaCount` floats.
    public var parameterValues: UnsafeMutableBufferPointer<Float> { parameterMemory.buffer }
    /// One gradient buffer of `arenaCount` floats for each block of the local batch.
    public var gradientValues: UnsafeMutableBufferPointer<Float> { gradients.buffer }
    /// Bytes of all arenas: parameters, gradients, activations with their gradients, scratch.
    public var memoryBytes: Int { (arenaCount + gradients.count + activations.count + scratch.count + targets.count + images.count) * 4 }

    /// Draws the initial parameters: a pure function of the seed, of the same bits on every device.
    public func initializeParameters(seed: UInt64) {
        for (ordinal, parameter) in parameters.enumerated() {
            parameter.initialize(on: device, seed: seed, ordinal: ordinal, in: parameterMemory.pointer)
        }
    }

    // MARK: Data in and out

    /// Copies one image, planar `[channels][height][width]`, into sample `sample` of the input.
    public func setInput(sample: Int, _ planar: UnsafePointer<Float>) {
        if isSequential {
            let count = inputShape.channels * inputShape.height * inputShape.width
            (images.pointer + sample * count).update(from: planar, count: count)
            held = nil
        } else {
            inputShape.layout.pack(planar, into: steps[0].output.sample(sample))
        }
    }

    /// The labels of sample `sample`, `[height][width]`, 0 or 1, to be filled.
    public func target(sample: Int) -> UnsafeMutableBufferPointer<Float> {
        precondition(sample < batch && targets.count > 0, "Network: target \(sample) of \(batch)")
        let pixels = outputShape.height * outputShape.width
        return UnsafeMutableBufferPointer(start: targets.pointer + sample * pixels, count: pixels)
    }

    /// Logits of sample `sample`, planar.
    public func logits(sample: Int, into result: UnsafeMutablePointer<Float>) {
        precondition(!isSequential, "Network: logits of a network that holds one sample at a time")
        outputShape.layout.unpack(steps[steps.count - 1].output.sample(sample), into: result)
    }

    /// Probabilities of the foreground of sample `sample`, `[height][width]`.
    public func probabilities(sample: Int, into result: UnsafeMutablePointer<Float>) {
        precondition(!isSequential, "Network: probabilities of a network that holds one sample at a time")
        BinaryCrossEntropy.probabilities(steps[steps.count - 1].output.sample(sample), into: result)
    }

    // MARK: Passes

    /// Computes the output. `firstPosition` is the first local sample's position in the global stream (dropout depends on it).
    public func forward(training: Bool = false, seed: UInt64 = 0, firstPosition: Int = 0) {
        let pass = Pass(device: device, training: training, seed: seed, firstPosition: UInt64(firstPosition))
        if isSequential {
            // Each sample's pass is made when its loss is asked for.
            self.pass = pass
            held = nil
        } else {
            run(pass)
        }
    }

    private func run(_ pass: Pass) {
        profile?.begin()
        for i in steps.indices {
            graph.nodes[i].layer.forward(steps[i], pass)
            profile?.add(.forward, layer: i)
        }
    }

    /// Computes binary cross-entropy and accuracy of each sample into `losses`, and the gradient of the logits times `scale`
    /// (1 / (global batch · pixels) makes the sum over all ranks the gradient of the mean loss).
    public func evaluateLoss(scale: Float) {
        lossScale = scale
        for sample in 0..<batch {
            if isSequential { forward(sample: sample, pass!) }
            losses[sample] = evaluateLoss(sample: sample)
        }
        if !isSequential { maskOutputGradient() }
    }

    private func evaluateLoss(sample: Int) -> BinaryCrossEntropy.Sums {
        profile?.begin()
        defer { profile?.addLoss() }
        let place = isSequential ? 0 : sample
        return BinaryCrossEntropy.evaluate(
            on: device, logits: steps[steps.count - 1].output.sample(place), target: target(sample: sample).baseAddress!,
            gradient: outputGradient!.sample(place), scale: lossScale, rows: lossRows.baseAddress!)
    }

    private func maskOutputGradient() {
        profile?.begin()
        if graph.isRectified[steps.count - 1] {
            Elementwise.copy(on: device, outputGradient!, to: outputGradient!, mask: steps[steps.count - 1].output)
        }
        profile?.addLoss()
    }

    /// Computes the gradients of all parameters from the gradient that `evaluateLoss` left, each block of samples summed
    /// along the tree into its own buffer. Calls `finished` with each range of the buffers that has become final: they
    /// join up to a growing suffix. The arguments are those of the forward pass.
    public func backward(
        training: Bool = true, seed: UInt64 = 0, firstPosition: Int = 0, finished: (Range<Int>) throws -> Void
    ) rethrows {
        let pass = Pass(device: device, training: training, seed: seed, firstPosition: UInt64(firstPosition))
        if isSequential {
            for b in blocks.indices.reversed() { sumGradients(pass, blocks[b], into: gradients.pointer + b * arenaCount, level: 0) }
            for range in layerRanges.reversed() where !range.isEmpty { try finished(range) }
            return
        }
        for i in steps.indices.reversed() where graph.needsGradient[i] {
            let layer = graph.nodes[i].layer, range = layerRanges[i]
            profile?.begin()
            if !range.isEmpty {
                for (b, block) in blocks.enumerated() {
                    sumGradients(
                        i, pass, block, into: gradients.pointer + b * arenaCount + range.lowerBound, count: range.count,
                        level: 0)
                }
                try finished(range)
                profile?.begin()
            }
            layer.inputGradient(steps[i], pass)
            profile?.add(.inputGradient, layer: i)
        }
    }

    /// The same, with nothing to do in between.
    public func backward(training: Bool = true, seed: UInt64 = 0, firstPosition: Int = 0) {
        backward(training: training, seed: seed, firstPosition: firstPosition) { _ in }
    }

    /// The parameter gradient of layer `i` over the samples at global positions `range`, summed along the canonical tree.
    private func sumGradients(
        _ i: Int, _ pass: Pass, _ range: Range<Int>, into result: UnsafeMutablePointer<Float>, count: Int, level: Int
    ) {
        if range.count == 1 {
            graph.nodes[i].layer.parameterGradient(steps[i], pass, sample: range.lowerBound - blocks[0].lowerBound, into: result)
            profile?.add(.parameterGradient, layer: i)
            return
        }
        let middle = split(range), right = partialSums + level * count
        sumGradients(i, pass, range.lowerBound..<middle, into: result, count: count, level: level)
        sumGradients(i, pass, middle..<range.upperBound, into: right, count: count, level: level + 1)
        Elementwise.add(on: device, right, to: result, count: count)
        profile?.add(.gradientSum, layer: i)
    }

    // MARK: One sample at a time

    /// The forward pass of sample `sample` of the local batch, if it is not in the activations already.
    private func forward(sample: Int, _ pass: Pass) {
        if held == sample { return }
        let count = inputShape.channels * inputShape.height * inputShape.width
        inputShape.layout.pack(images.pointer + sample * count, into: steps[0].output.sample(0))
        run(pass.at(sample))
        held = sample
    }

    /// The gradient of all parameters of the samples at global positions `range`, summed along the canonical tree. The right branch
    /// goes first: the last sample's forward pass is still there.
    private func sumGradients(_ pass: Pass, _ range: Range<Int>, into result: UnsafeMutablePointer<Float>, level: Int) {
        if range.count == 1 {
            let sample = range.lowerBound - blocks[0].lowerBound
            forward(sample: sample, pass)
            _ = evaluateLoss(sample: sample)
            maskOutputGradient()
            held = nil  // the gradients may take the place of activations
            for i in steps.indices.reversed() where graph.needsGradient[i] {
                let layer = graph.nodes[i].layer
                profile?.begin()
                if !layerRanges[i].isEmpty {
                    layer.parameterGradient(steps[i], pass.at(sample), sample: 0, into: result + layerRanges[i].lowerBound)
                    profile?.add(.parameterGradient, layer: i)
                }
                layer.inputGradient(steps[i], pass.at(sample))
                profile?.add(.inputGradient, layer: i)
            }
            return
        }
        let middle = split(range), left = partialSums + level * arenaCount
        sumGradients(pass, middle..<range.upperBound, into: result, level: level)
        sumGradients(pass, range.lowerBound..<middle, into: left, level: level + 1)
        Elementwise.add(on: device, left, to: result, count: arenaCount)
    }

    /// Partial sums that are alive at once in `sumGradients` above.
    private static func depth(_ range: Range<Int>, _ split: (Range<Int>) -> Int) -> Int {
        if range.count <= 1 { return 0 }
        let middle = split(range)
        return max(depth(middle..<range.upperBound, split), 1 + depth(range.lowerBound..<middle, split))
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
