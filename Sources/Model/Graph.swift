/// The nodes of a network in the order in which they are computed, with what the planner needs to know of them.
package struct Graph {
    /// Inputs before what uses them.
    package let nodes: [Node]
    /// Indices of each node's inputs.
    package let inputs: [[Int]]
    /// Indices of the nodes that use each node, ascending.
    let consumers: [[Int]]
    /// Layer names: the architecture's, or the kind and a number.
    package let names: [String]
    /// Whether each node's output is rectified.
    let isRectified: [Bool]
    /// Whether a gradient must flow through each node: whether there are parameters before it.
    let needsGradient: [Bool]

    /// Every node that `output` depends on, inputs first.
    package init(_ output: Node) {
        var nodes: [Node] = [], index: [ObjectIdentifier: Int] = [:]
        func visit(_ node: Node) {
            if index[ObjectIdentifier(node)] != nil { return }
            for input in node.inputs { visit(input) }
            index[ObjectIdentifier(node)] = nodes.count
            nodes.append(node)
        }
        visit(output)
        self.nodes = nodes
        inputs = nodes.map { $0.inputs.map { index[ObjectIdentifier($0)]! } }
        var consumers = [[Int]](repeating: [], count: nodes.count)
        for (i, sources) in inputs.enumerated() {
            for source in sources { consumers[source].append(i) }
        }
        self.consumers = consumers
        var numbers: [String: Int] = [:], names: [String] = [], rectified: [Bool] = [], gradient: [Bool] = []
        for (i, node) in nodes.enumerated() {
            let kind = String(node.layer.kind.prefix { $0.isLetter || $0.isNumber }).lowercased()
            numbers[kind, default: 0] += 1
            names.append(node.layer.name ?? (node.inputs.isEmpty ? "input" : "\(kind)_\(numbers[kind]!)"))
            rectified.append(node.layer.isRectified(inputs: inputs[i].map { rectified[$0] }))
            let trainable = !node.layer.parameters(node.inputs.map(\.shape), node.shape).isEmpty
            gradient.append(trainable || inputs[i].contains { gradient[$0] })
        }
        precondition(Set(names).count == names.count, "Graph: two layers share a name in \(names)")
        self.names = names
        isRectified = rectified
        needsGradient = gradient
    }

    /// Where node `i` lies when its memory is part of a concatenation's: the concatenation, and the first block in it.
    /// Each node lies in one concatenation at most; others that use it copy.
    func placements() -> [(concatenation: Int, firstBlock: Int)?] {
        var placements = [(concatenation: Int, firstBlock: Int)?](repeating: nil, count: nodes.count)
        for i in nodes.indices.reversed() where nodes[i].layer is Concatenate {
            var first = 0
            for part in inputs[i] {
                // An image is filled from outside and keeps memory of its own.
                if placements[part] == nil && !nodes[part].inputs.isEmpty { placements[part] = (i, first) }
                first += nodes[part].shape.layout.blocks
            }
        }
        return placements
    }
}
