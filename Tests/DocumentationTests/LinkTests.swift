import Foundation
import TestSupport
import Testing

/// What pages refer to is there.
@Suite struct LinkTests {
    private static let pages: [Page] =
        try! Page.documentation + ["CONTRIBUTING.md", "CHANGELOG.md", "benchmarks/README.md", "examples/slurm/README.md"].map(Page.init)

    @Test(arguments: pages) func linksLeadSomewhere(_ page: Page) throws {
        let folder = (page.path as NSString).deletingLastPathComponent
        for link in page.links where !link.contains("://") && !link.hasPrefix("mailto:") {
            let parts = link.split(separator: "#", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            let target = parts[0].isEmpty ? page.path : (folder.isEmpty ? parts[0] : standardized("\(folder)/\(parts[0])"))
            let exists = FileManager.default.fileExists(atPath: Page.root.appendingPathComponent(target).path)
            #expect(exists, "\(page.path): \(link): \(target) is not there")
            if exists && parts.count == 2 {
                #expect(try Page(target).anchors.contains(parts[1]), "\(page.path): \(link): \(target) has no such heading")
            }
        }
    }

    private func standardized(_ path: String) -> String {
        var parts: [Substring] = []
        for part in path.split(separator: "/") {
            if part == ".." { _ = parts.popLast() } else if part != "." { parts.append(part) }
        }
        return parts.joined(separator: "/")
    }

    /// The index has every page, and the README leads to it.
    @Test func indexIsComplete() throws {
        let index = Set(try Page("docs/README.md").links.map { $0.split(separator: "#")[0] }.map { "docs/\($0)" })
        for page in Page.documentation where page.path != "README.md" && page.path != "docs/README.md" {
            #expect(index.contains(page.path) || index.contains("docs/../\(page.path)"), "docs/README.md does not mention \(page.path)")
        }
        #expect(try Page("README.md").links.contains("docs/README.md"))
    }

    /// Every picture of the documentation is shown somewhere.
    @Test func picturesAreShown() throws {
        let shown = Set(
            Page.documentation.flatMap { page in
                page.links.map { standardized((page.path as NSString).deletingLastPathComponent + "/" + $0) }
            })
        for picture in try Page.below("docs/images", suffix: ".png") { #expect(shown.contains(picture), "\(picture) is nowhere shown") }
    }

    /// What `docs/troubleshooting.md` quotes is what the program says: the texts between an ellipsis, which stands for what varies.
    @Test func messagesAreTheProgramsOwn() throws {
        let sources = try Page.below("Sources", suffix: ".swift").map {
            try String(contentsOf: Page.root.appendingPathComponent($0), encoding: .utf8)
        }.joined(separator: "\n")
        // Literals that go on in the next line, as text.
        let text = sources.replacing(/\\\n\s*/, with: "").replacing(/"\s*\n\s*\+ "/, with: "").replacing(/"\s*\+ "/, with: "")
        let page = try Page("docs/troubleshooting.md")
        var quoted = 0
        for block in page.blocks where block.language == "text" {
            for line in block.lines {
                for piece in line.components(separatedBy: "…").map({ $0.trimmingCharacters(in: .whitespaces) }) where piece.count >= 8 {
                    #expect(text.contains(piece), "\(page.path):\(block.line): no source has “\(piece)”")
                    quoted += 1
                }
            }
        }
        #expect(quoted > 20)
        // Each status that the program can end with has its entry.
        let statuses = try Page("docs/files.md").prose.compactMap { $0.firstMatch(of: /^\| (\d+) \|/)?.1 }.filter { $0 != "0" }
        #expect(statuses.count > 8)
        for status in statuses {
            #expect(page.prose.contains { $0.hasPrefix("| \(status) |") }, "\(page.path) says nothing of status \(status)")
        }
    }
}
