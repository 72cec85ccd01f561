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

        /// Forward and backward of a network that has the whole batch to itself.
        public static func training(batch: Int) -> Purpose {
            .training(
                blocks: [0..<batch],
                split: { range in
                    // The canonical tree's rule: at the largest power of two smaller than the length.
                    range.lowerBound + 1 << (Int.bitWidth - 1 - (range.count - 1).leadingZeroBitCount)
                })
        }
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
    /// How many of them are for an optimizer: the first ones. Running statistics follow, whose gradient is zero.
    public let trainableCount: Int
    /// Parameter values; shared with the network they were taken from.
    public let parameterMemory: ParameterMemory
    /// Loss and accuracy counts of each local sample, filled by `evaluateLoss`.
    public private(set) var losses: [Loss.Sums]
    /// What is minimised.
    public let loss: Loss

    /// Measures the passes where it is wanted (`startProfile`).
    var profile: NetworkProfile?

    let graph: Graph
    let steps: [Step]
    /// As `steps`, for micro-batches with one sample fewer than the activations have room for; empty if there are none.
    private let shorterSteps: [Step]
    private let split: @Sendable (Range<Int>) -> Int
    /// The parts of the local batch that go through the network one after the other; a single one unless memory is to be saved.
    private let microBatches: [MicroBatch]
    /// The planar images of the local batch, if the activations have no room for all of it; empty otherwise.
    private let images: Arena
    /// Whether a sample's output depends on the others of the global batch while training (batch normalisation).
    public let dependsOnBatch: Bool
    private let batchSum: BatchSum?
    private var pass: Pass?
    private let layerRanges: [Range<Int>]
    private let activations: Arena
    private let gradients: Arena
    private let scratch: Arena
    private let kept: Arena
    private let targets: Arena
    /// Partial sums of one layer's gradient over the samples of a node.
    private let sampleSums: UnsafeMutablePointer<Float>
    /// Partial sums of all gradients over nodes of a block.
    private let nodeSums: UnsafeMutablePointer<Float>
    private let pixelWeights: Arena
    private let lossWorkspace: LossWorkspace

    /// Plans the network whose output is `output`.
    ///
    /// - Parameters:
    ///   - output: the logits: one channel, the foreground's, or one for each class.
    ///   - purpose: training or inference.
    ///   - device: what computes.
    ///   - shared: a network of the same architecture whose parameters this one uses.
    ///   - average: the parameters to use instead of those of `shared`: a moving average of them.
    ///   - convolution: how convolutions are computed.
    ///   - memory: what is kept in memory while training.
    ///   - accumulation: into how many parts the local batch is divided, of which one is in memory at a time, while training; `memory` may
    ///     ask for more.
    ///   - loss: what is minimised.
    public init(
        _ output: Node, purpose: Purpose, device: Device, sharing shared: Network? = nil, average: ParameterMemory? = nil,
        convolution: ConvolutionMethod = .automatic, memory: MemoryMode = .fast, accumulation: Int = 1,
        loss: Loss = .crossEntropy
    ) {
        precondition(accumulation > 0, "Network: a batch in \(accumulation) parts")
        let training: Bool
        switch purpose {
        case .training(let blocks, let split):
            training = true
            self.split = split
            batch = blocks.map(\.count).reduce(0, +)
            batchSum = BatchSum(blocks: blocks, split: split)
            microBatches = MicroBatch.plan(blocks: blocks, count: memory == .low ? batch : accumulation, split: split)
        case .inference(let batch):
            training = false
            microBatches = []
            batchSum = nil
            split = { $0.lowerBound + 1 }
            self.batch = batch
        }
        precondition(batch > 0, "Network: a batch of \(batch)")
        self.device = device
        self.loss = loss
        precondition(output.shape.layout == ChannelLayout(output.shape.channels), "Network: the logits \(output.shape) have gaps")
        let graph = Graph(output)
        self.graph = graph
        outputShape = output.shape
        dependsOnBatch = graph.nodes.contains { $0.layer.dependsOnBatch }
        if microBatches.count > 1 && dependsOnBatch {
            fatalError("Network: batch normalisation needs the whole local batch at once, not \(microBatches.count) parts of it")
        }
        inputShape = graph.nodes.first { $0.inputs.isEmpty }!.shape

        // Parameters, in forward order; those that no optimizer changes after all others.
        var parameters: [Parameter] = [], parameterOffsets: [[Int]] = [], layerRanges: [Range<Int>] = []
        var end = 0, largestLayer = 0
        let descriptions = graph.nodes.map { $0.layer.parameters($0.inputs.map(\.shape), $0.shape) }
        var still = descriptions.joined().filter(\.isTrainable).map(\.storedCount).reduce(0, +)
        trainableCount = still
        for (i, descriptions) in descriptions.enumerated() {
            let start = end
            var offsets: [Int] = []
            for description in descriptions {
                let first = description.isTrainable ? end : still
                offsets.append(first - start)
                parameters.append(
                    Parameter(
                        name: "\(graph.names[i]).\(description.role)", shape: description.shape,
                        range: first..<(first + description.storedCount), initializer: description.initializer,
                        isTrainable: description.isTrainable, order: description.order))
                if description.isTrainable { end += description.storedCount } else { still += description.storedCount }
            }
            layerRanges.append(start..<end)
            parameterOffsets.append(offsets)
            largestLayer = max(largestLayer, end - start)
        }
        end = still
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
        let microBatches = self.microBatches, room = microBatches.map(\.samples.count).max() ?? batch
        let plan = NetworkPlan(graph, batch: room, training: training)
        images = Arena(count: room < batch ? batch * inputShape.channels * inputShape.height * inputShape.width : 0)
        activations = Arena(count: plan.memory.count)
        let base = activations.pointer
        let nodes = microBatches.flatMap(\.nodes)
        gradients = Arena(count: nodes.isEmpty ? 0 : (nodes.last!.block + 1) * end)
        targets = Arena(count: training ? batch * output.shape.height * output.shape.width : 0)
        pixelWeights = Arena(count: loss.hasPixelWeights ? targets.count : 0)
        let split = self.split
        losses = Array(repeating: .init(), count: training ? batch : 0)
        lossWorkspace = LossWorkspace(channels: output.shape.channels, height: training ? output.shape.height : 0)

        let keptCounts = graph.nodes.map { ($0.layer.keptCount($0.shape.tensorShape(batch: room)) + 15) / 16 * 16 }
        kept = Arena(count: keptCounts.reduce(0, +))
        let keptBase = kept.pointer

        func makeSteps(samples: Int) -> [Step] {
            var drawing = 0, nextKept = keptBase
            return graph.nodes.enumerated().map { i, node in
                if node.layer is Dropout2D { drawing += 1 }
                var step = Step(
                    inputs: graph.inputs[i].map { plan.value(of: $0, samples: samples, in: base) },
                    output: plan.value(of: i, samples: samples, in: base), inputShapes: node.inputs.map(\.shape),
                    outputGradient: plan.gradient(of: i, samples: samples, in: base),
                    inputGradients: plan.inputGradients(of: i, samples: samples, in: base),
                    parameters: layerRanges[i].isEmpty ? nil : parameterBase + layerRanges[i].lowerBound,
                    parameterOffsets: parameterOffsets[i], ordinal: drawing, convolution: convolution)
                if keptCounts[i] > 0 { step.kept = nextKept }
                nextKept += keptCounts[i]
                return step
            }
        }
        var steps = makeSteps(samples: room)
        var shorterSteps = microBatches.contains { $0.samples.count < room } ? makeSteps(samples: room - 1) : []
        var scratchCount = zip(graph.nodes, steps).map { $0.layer.scratchCount($1, on: device) }.max() ?? 0
        scratchCount = max(scratchCount, zip(graph.nodes, shorterSteps).map { $0.layer.scratchCount($1, on: device) }.max() ?? 0)
        scratchCount = (scratchCount + 15) / 16 * 16
        let sampleLevels = nodes.map { NetworkPlan.depth($0.range, split) }.max() ?? 0, nodeLevels = nodes.map(\.level).max() ?? 0
        scratch = Arena(count: scratchCount + sampleLevels * largestLayer + nodeLevels * end)
        sampleSums = scratch.pointer + scratchCount
        nodeSums = sampleSums + sampleLevels * largestLayer
        for i in steps.indices { steps[i].scratch = scratch.pointer }
        for i in shorterSteps.indices { shorterSteps[i].scratch = scratch.pointer }
        self.steps = steps
        self.shorterSteps = shorterSteps
    }

    /// Number of trainable values, padding not counted.
    public var parameterCount: Int { parameters.filter(\.isTrainable).map(\.count).reduce(0, +) }
    /// Parameter values, `arenaCount` floats.
    public var parameterValues: UnsafeMutableBufferPointer<Float> { parameterMemory.buffer }
    /// One gradient buffer of `arenaCount` floats for each block of the local batch.
    public var gradientValues: UnsafeMutableBufferPointer<Float> { gradients.buffer }
    /// All activations with their gradients, for tests that damage them.
    package var activationValues: UnsafeMutableBufferPointer<Float> { activations.buffer }
    /// Bytes of all arenas: parameters, gradients, activations with their gradients, scratch.
    public var memoryBytes: Int {
        let floats = [
            arenaCount, gradients.count, activations.count, scratch.count, kept.count, targets.count, pixelWeights.count, images.count,
        ]
        return 4 * floats.reduce(0, +)
    }
    /// What sums statistics over the global batch where other networks hold parts of it; nil: the local batch is the global one. Only a
    /// network that depends on the batch asks for it.
    public var statisticsReducer: (any StatisticsReducer)? {
        get { batchSum?.reducer }
        set { batchSum?.reducer = newValue }
    }

    /// Draws the initial parameters: a pure function of the seed, of the same bits on every device.
    public func initializeParameters(seed: UInt64) {
        for (ordinal, parameter) in parameters.enumerated() {
            parameter.initialize(on: device, seed: seed, ordinal: ordinal, in: parameterMemory.pointer)
        }
    }

    // MARK: Data in and out

    /// Whether the activations have no room for the local batch.
    private var isDivided: Bool { microBatches.count > 1 }

    /// Copies one image, planar `[channels][height][width]`, into sample `sample` of the input.
    public func setInput(sample: Int, _ planar: UnsafePointer<Float>) {
        if isDivided {
            let count = inputShape.channels * inputShape.height * inputShape.width
            (images.pointer + sample * count).update(from: planar, count: count)
        } else {
            inputShape.layout.pack(planar, into: steps[0].output.sample(sample))
        }
    }

    /// The labels of sample `sample`, `[height][width]`, the class of each pixel (0 or 1 where there is one channel), to be filled.
    public func target(sample: Int) -> UnsafeMutableBufferPointer<Float> {
        precondition(sample < batch && targets.count > 0, "Network: target \(sample) of \(batch)")
        let pixels = outputShape.height * outputShape.width
        return UnsafeMutableBufferPointer(start: targets.pointer + sample * pixels, count: pixels)
    }

    /// The weights by place of sample `sample`, `[height][width]`, to be filled; `nil` if the loss has none.
    public func pixelWeights(sample: Int) -> UnsafeMutableBufferPointer<Float>? {
        guard pixelWeights.count > 0 else { return nil }
        let pixels = outputShape.height * outputShape.width
        return UnsafeMutableBufferPointer(start: pixelWeights.pointer + sample * pixels, count: pixels)
    }

    /// Logits of sample `sample`, planar.
    public func logits(sample: Int, into result: UnsafeMutablePointer<Float>) {
        precondition(!isDivided, "Network: logits of a network that holds a part of the batch at a time")
        outputShape.layout.unpack(steps[steps.count - 1].output.sample(sample), into: result)
    }

    /// Probabilities of sample `sample`: of the foreground, `[height][width]`, or of each class, `[class][height][width]`.
    public func probabilities(sample: Int, into result: UnsafeMutablePointer<Float>) {
        precondition(!isDivided, "Network: probabilities of a network that holds a part of the batch at a time")
        Loss.probabilities(steps[steps.count - 1].output.sample(sample), channels: outputShape.channels, into: result)
    }

    /// The samples of the local batch whose activations are in memory between `evaluateLoss` and `backward`: all, or those of the last part.
    public var samplesInMemory: Range<Int> { isDivided ? microBatches[microBatches.count - 1].samples : 0..<batch }

    /// Input and probabilities, both planar, of a sample that is in memory between `evaluateLoss` and `backward`.
    public func copySampleInMemory(_ sample: Int, input: UnsafeMutablePointer<Float>, probabilities: UnsafeMutablePointer<Float>) {
        precondition(samplesInMemory.contains(sample), "Network: sample \(sample) is not among those in memory, \(samplesInMemory)")
        let steps = isDivided ? steps(of: microBatches[microBatches.count - 1]) : steps, place = sample - samplesInMemory.lowerBound
        inputShape.layout.unpack(steps[0].output.sample(place), into: input)
        Loss.probabilities(steps[steps.count - 1].output.sample(place), channels: outputShape.channels, into: probabilities)
    }

    // MARK: Passes

    /// Computes the output. `firstPosition` is the first local sample's position in the global stream (dropout depends on it).
    public func forward(training: Bool = false, seed: UInt64 = 0, firstPosition: Int = 0) {
        let pass = Pass(device: device, training: training, seed: seed, firstPosition: UInt64(firstPosition), batchSum: batchSum)
        // A part of the batch goes forward where its loss is asked for.
        if isDivided { self.pass = pass } else { forward(steps, pass) }
    }

    private func forward(_ steps: [Step], _ pass: Pass) {
        profile?.begin()
        for i in steps.indices {
            graph.nodes[i].layer.forward(steps[i], pass)
            profile?.add(.forward, layer: i)
        }
    }

    /// Computes loss and accuracy of each sample into `losses`, and the gradient of the logits times `scale`
    /// (1 / (global batch · pixels) makes the sum over all ranks the gradient of the mean loss).
    ///
    /// Of a batch that is divided, all parts but the last go backward here too, as their activations make room for the next.
    public func evaluateLoss(scale: Float) {
        for (number, part) in microBatches.enumerated() {
            let steps = steps(of: part)
            if isDivided {
                for (place, sample) in part.samples.enumerated() {
                    let image = images.pointer + sample * inputShape.channels * inputShape.height * inputShape.width
                    inputShape.layout.pack(image, into: steps[0].output.sample(place))
                }
                forward(steps, pass!.at(part.samples.lowerBound))
            }
            profile?.begin()
            for (place, sample) in part.samples.enumerated() {
                losses[sample] = loss.evaluate(
                    on: device, logits: steps[steps.count - 1].output.sample(place), target: target(sample: sample).baseAddress!,
                    weights: pixelWeights(sample: sample).map { UnsafePointer($0.baseAddress!) },
                    gradient: steps[steps.count - 1].outputGradient!.sample(place), scale: scale, workspace: lossWorkspace)
            }
            if graph.isRectified[steps.count - 1], let gradient = steps[steps.count - 1].outputGradient {
                Elementwise.copy(on: device, gradient, to: gradient, mask: steps[steps.count - 1].output)
            }
            profile?.addLoss()
            if number < microBatches.count - 1 { backward(part, pass!) { _ in } }
        }
    }

    private func steps(of part: MicroBatch) -> [Step] { part.samples.count == steps[0].output.shape.batch ? steps : shorterSteps }

    /// Computes the gradients of all parameters from the gradient that `evaluateLoss` left, each block of samples summed
    /// along the tree into its own buffer. Calls `finished` with each range of the buffers that has become final: they
    /// join up to a growing suffix. The arguments are those of the forward pass.
    public func backward(
        training: Bool = true, seed: UInt64 = 0, firstPosition: Int = 0, finished: (Range<Int>) throws -> Void
    ) rethrows {
        let pass = Pass(device: device, training: training, seed: seed, firstPosition: UInt64(firstPosition), batchSum: batchSum)
        try backward(microBatches[microBatches.count - 1], pass, finished: finished)
    }

    private func backward(_ part: MicroBatch, _ pass: Pass, finished: (Range<Int>) throws -> Void) rethrows {
        let steps = steps(of: part), pass = isDivided ? pass.at(part.samples.lowerBound) : pass
        for i in steps.indices.reversed() where graph.needsGradient[i] {
            let layer = graph.nodes[i].layer, range = layerRanges[i]
            profile?.begin()
            if !range.isEmpty {
                for node in part.nodes { sumGradients(i, steps[i], pass, part, node) }
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

    /// Takes into the parameters that no optimizer changes (running statistics) what the last training pass found. For those who update
    /// the others, once an update.
    public func updateState() {
        for i in steps.indices { graph.nodes[i].layer.updateState(steps[i]) }
    }

    /// The gradient of layer `i` over a node of the tree, and its addition to the partial sums that wait for it.
    private func sumGradients(_ i: Int, _ step: Step, _ pass: Pass, _ part: MicroBatch, _ node: MicroBatch.Node) {
        let range = layerRanges[i], first = gradients.pointer + node.block * arenaCount
        /// The partial sum at a place of the block's stack.
        func sum(_ level: Int) -> UnsafeMutablePointer<Float> {
            (level == 0 ? first : nodeSums + (level - 1) * arenaCount) + range.lowerBound
        }
        let offset = part.nodes[0].range.lowerBound
        sumSamples(i, step, pass, node.range, offset, into: sum(node.level), count: range.count, level: 0)
        for addition in 0..<node.additions {
            let level = node.level - addition
            Elementwise.add(on: device, sum(level), to: sum(level - 1), count: range.count)
            profile?.add(.gradientSum, layer: i)
        }
    }

    /// The gradient of layer `i` over the samples at global positions `range`, summed along the tree; the one at `offset` is the first of
    /// those in the activations.
    private func sumSamples(
        _ i: Int, _ step: Step, _ pass: Pass, _ range: Range<Int>, _ offset: Int, into result: UnsafeMutablePointer<Float>, count: Int,
        level: Int
    ) {
        if range.count == 1 {
            graph.nodes[i].layer.parameterGradient(step, pass, sample: range.lowerBound - offset, into: result)
            profile?.add(.parameterGradient, layer: i)
            return
        }
        let middle = split(range), right = sampleSums + level * count
        sumSamples(i, step, pass, range.lowerBound..<middle, offset, into: result, count: count, level: level)
        sumSamples(i, step, pass, middle..<range.upperBound, offset, into: right, count: count, level: level + 1)
        Elementwise.add(on: device, right, to: result, count: count)
        profile?.add(.gradientSum, layer: i)
    }
}
