import Foundation
import Testing
import Training

@Suite struct ConfigurationTemplateTests {
    let folder = TemporaryFolder()

    /// The file of `init` makes the configuration that its absence does.
    @Test func readsBackAsTheDefaults() throws {
        let text = try ConfigurationTemplate(images: ["a b.tif", "c.tif"], labels: ["l.tif", "#m.tif"]).text
        let read = try TrainingConfiguration(file: folder.file("train.yaml", text), options: [])
        let given = [
            ("images", "a b.tif"), ("images", "c.tif"), ("labels", "l.tif"), ("labels", "#m.tif"), ("output", "runs/first"),
        ].map { (name: $0.0, value: $0.1) }
        #expect(try read == TrainingConfiguration(file: nil, options: given))
    }

    /// Every option is there, with its explanation; what has no value is a comment that begins with its name.
    @Test func everyOptionIsThere() throws {
        let text = try ConfigurationTemplate().text, lines = text.split(separator: "\n")
        let words = text.replacingOccurrences(of: "\n#", with: "").split(whereSeparator: \.isWhitespace).joined(separator: " ")
        for option in TrainingOption.all {
            #expect(lines.filter { $0.hasPrefix("\(option.name):") || $0.hasPrefix("# \(option.name): ") }.count == 1, "\(option.name)")
            #expect(words.contains(option.explanation), "\(option.name)")
        }
        #expect(lines.allSatisfy { $0.count <= 140 })
        #expect(text.contains("\naugment: standard\n"))
    }

    @Test func command() throws {
        let path = folder / "train.yaml"
        let outcome = try Program.run(["init", "--output", path, "--images", "a.tif", "--labels", "b.tif"], ranks: 2)
        #expect(outcome.status == 0 && outcome.count("wrote \(path)") == 1 && outcome.output.isEmpty, "\(outcome.errors)")
        let text = try String(contentsOfFile: path, encoding: .utf8)
        let again = try Program.run(["init", "--output", path])
        #expect(again.status == 64 && again.errors.contains("exists already"), "\(again.errors)")
        #expect(try String(contentsOfFile: path, encoding: .utf8) == text)
        #expect(try Program.run(["init", "--output", folder / "no/such.yaml"]).status != 0)
        #expect(try Program.run(["init", "--images", "a.tif"]).status == 64)
        let training = try Program.run(["train", "--config", path])
        #expect(training.status == 66 && training.errors.contains("a.tif"), "\(training.errors)")
    }
}
