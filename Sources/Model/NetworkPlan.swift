import Kernels

/// Where the values of a network and their gradients lie, and who writes a gradient first.
///
/// Time runs through the forward pass, 0 ..< n, and back: node i goes backward at 2n − 1 − i.
struct NetworkPlan {
    let memory: MemoryPlan
    private let graph: Graph
    private let batch: Int
    private let values: [View], gradients: [View?]
    private let accumulates: [[Bool]]
    private let inPlace: [Bool]  // gradients that lie in their concatenation's

    /// A tensor's place: the buffer (index into the requests), the block in it, and the blocks of the whole buffer.
    private struct View {
        var request: Int
        var firstBlock = 0
        var bufferBlocks: Int
    }

    init(_ graph: Graph, batch: Int, training: Bool) {
        self.graph = graph
        self.batch = batch
        let n = graph.nodes.count
        var placements = graph.placements()
        // A node shares its (first) input's memory, and hands it its place in a concatenation, if it is the identity at inference, or if it
        // works in place and nobody else needs the input: neither another layer nor, in backward, the input's own layer or its mask.
        var shares = [Bool](repeating: false, count: n)
        func isSole(_ user: Int) -> Bool {
            let source = graph.inputs[user][0]
            if graph.nodes[source].inputs.isEmpty || graph.consumers[source] != [user] { return false }
            if training && (graph.isRectified[source] || graph.nodes[source].layer.needsOutputInBackward) { return false }
            return !shares[source] || isSole(source)
        }
        for i in graph.nodes.indices where !graph.inputs[i].isEmpty {
            let layer = graph.nodes[i].layer
            shares[i] = !training && layer.isIdentityAtInference || layer.worksInPlace(training: training) && isSole(i)
        }
        for i in graph.nodes.indices.reversed() where shares[i] {
            if placements[graph.inputs[i][0]] == nil { placements[graph.inputs[i][0]] = placements[i] }
        }
        // The gradient of such an input is the node's own.
        let sharing = graph.nodes.indices.map { i in graph.consumers[i].first.flatMap { shares[$0] && graph.inputs[$0][0] == i ? $0 : nil }
        }
        var requests: [MemoryPlan.Request] = []

        func count(_ i: Int) -> Int { graph.nodes[i].shape.tensorShape(batch: batch).sampleCount * batch }
        func lastUse(_ i: Int) -> Int { training ? 2 * n - 1 - i : (graph.consumers[i].last ?? n) }

        // Values. Later nodes first, so that a concatenation has its place before its parts.
        var values = [View?](repeating: nil, count: n)
        for i in graph.nodes.indices.reversed() {
            let node = graph.nodes[i]
            if shares[i] { continue }
            if let place = placements[i], let whole = values[place.concatenation] {
                values[i] = View(request: whole.request, firstBlock: whole.firstBlock + place.firstBlock, bufferBlocks: whole.bufferBlocks)
                let lifetime = requests[whole.request].lifetime
                requests[whole.request].lifetime = min(lifetime.lowerBound, i)...max(lifetime.upperBound, lastUse(i))
            } else {
                values[i] = View(request: requests.count, bufferBlocks: node.shape.layout.blocks)
                requests.append(.init(count: count(i), lifetime: i...max(i, lastUse(i))))
            }
        }
        for i in graph.nodes.indices where shares[i] {
            let view = values[graph.inputs[i][0]]!
            values[i] = view
            let lifetime = requests[view.request].lifetime
            requests[view.request].lifetime = lifetime.lowerBound...max(lifetime.upperBound, lastUse(i))
        }
        self.values = values.map { $0! }

        // Gradients. One lies in its concatenation's if the concatenation is the last to use the node, and so the first to
        // write its gradient.
        var gradients = [View?](repeating: nil, count: n)
        var inPlace = [Bool](repeating: false, count: n)
        if training {
            for i in graph.nodes.indices.reversed() where graph.needsGradient[i] {
                if let user = sharing[i], let view = gradients[user] {
                    gradients[i] = view
                    inPlace[i] = true
                    requests[view.request].lifetime = requests[view.request].lifetime.lowerBound...(2 * n - 1 - i)
                } else if let place = placements[i], graph.consumers[i].last == place.concatenation,
                    let whole = gradients[place.concatenation]
                {
                    gradients[i] = View(
                        request: whole.request, firstBlock: whole.firstBlock + place.firstBlock, bufferBlocks: whole.bufferBlocks)
                    inPlace[i] = true
                    requests[whole.request].lifetime = requests[whole.request].lifetime.lowerBound...(2 * n - 1 - i)
                } else {
                    gradients[i] = View(request: requests.count, bufferBlocks: graph.nodes[i].shape.layout.blocks)
                    let first = graph.consumers[i].last.map { 2 * n - 1 - $0 } ?? n
                    requests.append(.init(count: count(i), lifetime: first...(2 * n - 1 - i)))
                }
            }
        }
        self.gradients = gradients
        self.inPlace = inPlace

        var written = [Bool](repeating: false, count: n)
        var accumulates = graph.inputs.map { $0.map { _ in false } }
        for i in graph.nodes.indices.reversed() {
            for (k, source) in graph.inputs[i].enumerated() {
                accumulates[i][k] = written[source]
                written[source] = true
            }
        }
        self.accumulates = accumulates
        memory = MemoryPlan(requests)
    }

    private func tensor(_ view: View, _ i: Int, _ samples: Int, _ arena: UnsafeMutablePointer<Float>) -> Tensor {
        precondition((1...batch).contains(samples), "NetworkPlan: \(samples) samples where there is room for \(batch)")
        let shape = graph.nodes[i].shape.tensorShape(batch: samples)
        return Tensor(
            arena + memory.offsets[view.request] + view.firstBlock * shape.pixels * 16, shape,
            sampleStride: view.bufferBlocks * shape.pixels * 16)
    }

    /// The value of node i for the first `samples` samples that there is room for.
    func value(of i: Int, samples: Int, in arena: UnsafeMutablePointer<Float>) -> Tensor { tensor(values[i], i, samples, arena) }

    /// Its gradient, if it has one.
    func gradient(of i: Int, samples: Int, in arena: UnsafeMutablePointer<Float>) -> Tensor? {
        gradients[i].map { tensor($0, i, samples, arena) }
    }

    /// Where node i's inputs take their gradients. Consumers apply the ReLU of the node they use. Where a concatenation is
    /// not rectified as a whole, its rectified parts are masked when its turn comes.
    func inputGradients(of i: Int, samples: Int, in arena: UnsafeMutablePointer<Float>) -> [InputGradient?] {
        graph.inputs[i].enumerated().map { k, source in
            guard let target = gradient(of: source, samples: samples, in: arena) else { return nil }
            let isPlaced = inPlace[source] && graph.consumers[source].last == i && graph.inputs[i].firstIndex(of: source) == k
            let masks = graph.isRectified[source] && !(isPlaced && graph.isRectified[i])
            return InputGradient(
                tensor: target, accumulate: accumulates[i][k], mask: masks ? value(of: source, samples: samples, in: arena) : nil,
                inPlace: isPlaced)
        }
    }

    /// Partial sums that are alive at once when the samples of `range` are summed along the tree.
    static func depth(_ range: Range<Int>, _ split: (Range<Int>) -> Int) -> Int {
        if range.count <= 1 { return 0 }
        let middle = split(range)
        return max(depth(range.lowerBound..<middle, split), 1 + depth(middle..<range.upperBound, split))
    }
}
