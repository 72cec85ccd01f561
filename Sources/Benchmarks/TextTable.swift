/// Rows of cells as aligned text: the first column to the left, the others to the right.
struct TextTable: CustomStringConvertible {
    private var rows: [[String]]

    init(_ header: String...) { self.init(header) }
    init(_ header: [String]) { rows = [header] }

    mutating func append(_ cells: [String]) {
        precondition(cells.count == rows[0].count, "TextTable: \(cells.count) cells in \(rows[0].count) columns")
        rows.append(cells)
    }

    var description: String {
        let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max()! }
        return rows.map { row in
            row.indices.map { column in
                let padding = String(repeating: " ", count: widths[column] - row[column].count)
                return column == 0 ? row[column] + padding : padding + row[column]
            }.joined(separator: "  ")
        }.joined(separator: "\n")
    }
}
