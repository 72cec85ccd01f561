import Foundation
import TestSupport
import Testing

/// The articles of the libraries' documentation (`Sources/*/*.docc`).
@Suite struct ArticleTests {
    /// Code in them is a part of a program of `examples/own-architecture`, which is compiled and run.
    @Test func codeIsThatOfTheExamples() throws {
        let examples = try Page.below("examples/own-architecture/Sources", suffix: ".swift").map {
            try String(contentsOf: Page.root.appendingPathComponent($0), encoding: .utf8)
        }.map { source in source.components(separatedBy: "\n").map { $0.trimmingCharacters(in: .whitespaces) } }
        var blocks = 0
        for path in try Page.below("Sources", suffix: ".md") where path.contains(".docc/") {
            for block in try Page(path).blocks where block.language == "swift" {
                let lines = block.lines.map { $0.trimmingCharacters(in: .whitespaces) }
                #expect(
                    examples.contains { example in
                        example.indices.contains { example[$0...].starts(with: lines) }
                    }, "\(path):\(block.line): the code is not in examples/own-architecture")
                blocks += 1
            }
        }
        #expect(blocks >= 8)
    }

    /// DocC finds everything that the articles and the public declarations refer to, and no parameter without a word.
    @Test func siteIsMadeWithoutWarnings() throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("site-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let built = Bundle.main.executableURL!.resolvingSymlinksInPath().deletingLastPathComponent().path
        let script = Page.root.appendingPathComponent("scripts/documentation").path
        let run = try ProgramRun.run(command: [script, folder], variables: ["UNET_BUILT": built])
        #expect(run.status == 0, "\(run)")
        for page in ["Model/documentation/model/writingalayer", "Imaging/documentation/imaging", "DataParallel/documentation/dataparallel"]
        {
            #expect(FileManager.default.fileExists(atPath: "\(folder)/\(page)/index.html"), "\(page): \(run)")
        }
    }

    /// The layer of *Writing a layer* agrees with its own specification.
    @Test func layer() throws {
        let run = try ProgramRun.run("documentation-snippets", ["layer"])
        let words = run.output.split(whereSeparator: \.isWhitespace)
        try #require(run.status == 0 && words.count == 4, "\(run)")
        let (output, gradient) = (Double(words[1])!, Double(words[3])!)
        // Single precision beside double: values of about 1 from sums of a hundred terms; the slope's own error is 1e-8.
        #expect(output > 0 && output < 1e-5 && gradient > 0 && gradient < 1e-6, "\(run)")
    }

    /// The network of *Writing an architecture* can be built.
    @Test func network() throws {
        let run = try ProgramRun.run("documentation-snippets", ["network"])
        #expect(run.status == 0 && run.output.contains("GroupNorm 8 + ReLU") && run.output.contains("head"), "\(run)")
    }

    /// The loop of *Running on a cluster* has the same losses, to the last digit, on one rank and on three.
    @Test func ranks() throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("ranks-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let one = try ProgramRun.run("documentation-snippets", ["ranks", folder])
        let three = try ProgramRun.run("documentation-snippets", ["ranks", folder], ranks: 3)
        #expect(one.status == 0 && three.status == 0 && one.output == three.output, "\(one)\n\(three)")
        let losses = one.output.split(separator: "\n").compactMap { Double($0) }
        #expect(losses.count == 5 && losses.last! < losses.first!, "\(losses)")
    }
}
