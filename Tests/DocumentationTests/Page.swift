import Foundation
import TestSupport
import Testing

/// A page of the documentation: a Markdown file of this package.
struct Page: CustomTestStringConvertible, Sendable {
    /// A piece of code: fenced, or indented by four spaces.
    struct Block: Sendable {
        /// What stands behind the opening fence; nil where there is none.
        var language: String?
        /// Its lines without indentation.
        var lines: [String]
        /// Number of its first line in the file.
        var line: Int
    }

    /// The package's folder.
    static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    /// Path below the package's folder.
    let path: String
    private let lines: [String]

    init(_ path: String) throws {
        self.path = path
        lines = try String(contentsOf: Self.root.appendingPathComponent(path), encoding: .utf8).components(separatedBy: "\n")
    }

    var testDescription: String { path }

    /// The pages that users read: README.md, SECURITY.md and those of docs/.
    static let documentation: [Page] = try! [Page("README.md"), Page("SECURITY.md")] + below("docs", suffix: ".md").map { try Page($0) }

    /// Paths below the package's folder of files in one of its folders, sorted.
    static func below(_ folder: String, suffix: String) throws -> [String] {
        let found = FileManager.default.subpaths(atPath: root.appendingPathComponent(folder).path) ?? []
        if found.isEmpty { throw DocumentationFailure(description: "\(folder) is not there or empty") }
        return found.filter { $0.hasSuffix(suffix) }.sorted().map { "\(folder)/\($0)" }
    }

    /// The code of the page.
    var blocks: [Block] {
        var blocks: [Block] = [], fence: Block?, indented: Block?, isAfterBlank = true
        func end() { if let block = indented { blocks.append(block) } }
        for (number, line) in lines.enumerated() {
            if fence != nil {
                if line.trimmingCharacters(in: .whitespaces) == "```" {
                    blocks.append(fence!)
                    fence = nil
                } else {
                    fence!.lines.append(line)
                }
            } else if line.trimmingCharacters(in: .whitespaces).hasPrefix("```") {
                end()
                indented = nil
                let language = line.trimmingCharacters(in: .whitespaces).dropFirst(3)
                fence = Block(language: String(language), lines: [], line: number + 2)
            } else if line.hasPrefix("    "), indented != nil || isAfterBlank {
                if indented == nil { indented = Block(language: nil, lines: [], line: number + 1) }
                indented!.lines.append(String(line.dropFirst(4)))
            } else {
                end()
                indented = nil
            }
            isAfterBlank = line.isEmpty
        }
        end()
        return blocks
    }

    /// The lines outside of code.
    var prose: [String] {
        var isFenced = false, isAfterBlank = true, isIndented = false, result: [String] = []
        for line in lines {
            if line.trimmingCharacters(in: .whitespaces).hasPrefix("```") {
                isFenced.toggle()
            } else if !isFenced {
                isIndented = line.hasPrefix("    ") && (isIndented || isAfterBlank)
                if !isIndented { result.append(line) }
            }
            isAfterBlank = line.isEmpty
        }
        return result
    }

    /// What stands between single backticks.
    var inlineCode: [String] {
        prose.joined(separator: "\n").matches(of: /`([^`]+)`/).map { $0.1.replacingOccurrences(of: "\n", with: " ") }
    }

    /// Where the links and pictures lead.
    var links: [String] { prose.joined(separator: "\n").matches(of: /\]\(([^)\s]+)\)/).map { String($0.1) } }

    /// The names by which headings are linked to, as GitHub makes them.
    var anchors: [String] {
        prose.filter { $0.hasPrefix("#") }.map { heading in
            heading.drop { $0 == "#" }.trimmingCharacters(in: .whitespaces).lowercased()
                .filter { $0.isLetter || $0.isNumber || $0 == " " || $0 == "-" || $0 == "_" }.replacingOccurrences(of: " ", with: "-")
        }
    }
}
