import Kernels

extension Network {
    /// A line for each layer: name, what it is, output size, parameters; then the totals.
    public var table: String {
        var rows = [["layer", "operation", "output", "parameters"]]
        for (i, node) in graph.nodes.enumerated() {
            let count = parameters.filter { $0.name.hasPrefix(graph.names[i] + ".") }.map(\.count).reduce(0, +)
            rows.append([graph.names[i], node.layer.kind, node.shape.description, count == 0 ? "" : grouped(count)])
        }
        let widths = (0..<4).map { column in rows.map { $0[column].count }.max()! }
        var lines = rows.map { row in
            (0..<4).map { column in
                let padding = String(repeating: " ", count: widths[column] - row[column].count)
                return column == 3 ? padding + row[column] : row[column] + padding
            }.joined(separator: "  ")
        }
        lines.insert(String(repeating: "─", count: widths.reduce(6, +)), at: 1)
        lines.append("\(grouped(parameterCount)) parameters, \(memoryBytes >> 20) MiB for a batch of \(batch)")
        return lines.joined(separator: "\n")
    }

    private func grouped(_ number: Int) -> String {
        let digits = Array(String(number))
        return digits.enumerated().map { i, digit in
            i > 0 && (digits.count - i) % 3 == 0 ? ",\(digit)" : "\(digit)"
        }.joined()
    }

    /// The naive network in double precision on one image, not training: the specification of `forward`.
    public func reference(_ image: ReferenceImage<Double>, parameters values: [[Double]]) -> ReferenceImage<Double> {
        var images: [ReferenceImage<Double>] = [], next = 0
        for (i, node) in graph.nodes.enumerated() {
            if node.inputs.isEmpty {
                images.append(image)
                continue
            }
            let count = node.layer.parameters(node.inputs.map(\.shape), node.shape).count
            images.append(node.layer.reference(graph.inputs[i].map { images[$0] }, parameters: Array(values[next..<(next + count)])))
            next += count
        }
        return images[images.count - 1]
    }
}
