import Foundation
import Imaging
import Testing
import Training

/// `report.html`, written while a run goes on and by `unet-mpi report`.
@Suite struct ReportTests {
    let volume: SmallVolume
    init() throws { volume = try SmallVolume() }

    /// A page without what depends on the moment it was written.
    func page(_ path: String) throws -> String {
        try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").filter { !$0.hasPrefix("<footer>") }.joined(
            separator: "\n")
    }

    /// The elements of the page that are opened and not closed, or the other way round.
    func unbalanced(_ page: String) -> [String] {
        let alone: Set = ["meta", "link", "img"]
        var open: [String] = [], problems: [String] = []
        for match in page.matches(of: /<(\/?)([a-z0-9]+)[^>]*?(\/?)>/) {
            let (closes, name, isEmpty) = (!match.1.isEmpty, String(match.2), !match.3.isEmpty)
            if isEmpty || alone.contains(name) { continue }
            if !closes { open.append(name) } else if open.popLast() != name { problems.append(name) }
        }
        return problems + open
    }

    @Test func theFolderAloneGivesTheSamePage() throws {
        #expect(try Program.run(volume.training("run") + ["--segmentation-scores-every", "20"], ranks: 2).status == 0)
        let written = volume.folder / "run/report.html", other = volume.folder / "other.html", picture = volume.folder / "other.png"
        let result = try Program.run(["report", volume.folder / "run", "--output", other, "--picture", picture])
        #expect(result.status == 0 && result.output == other + "\n", "\(result.errors)")
        #expect(try page(written) == page(other))
        #expect(
            try Data(contentsOf: URL(fileURLWithPath: picture))
                == Data(contentsOf: URL(fileURLWithPath: volume.folder / "run/progress.png")))
        let text = try page(written)
        for part in [
            "Loss", "V-Rand", "Scores over the threshold", "prediction after step 20", "differences", "Where the time of a step goes",
            "finished",
            "bound to processors", "base-channels", "images a second", "update (step)",
        ] { #expect(text.contains(part), "\(part)") }
        #expect(unbalanced(text).isEmpty, "\(unbalanced(text))")
        // Nothing is loaded: no addresses but those of data.
        #expect(
            text.matches(of: /(src|href)="(?!data:)/).isEmpty && !text.contains("http:") && !text.contains("https:")
                && !text.contains("url("))
        #expect(text.contains("prefers-color-scheme:dark"))
        #expect(try Data(contentsOf: URL(fileURLWithPath: written)).count < 1_500_000)
    }

    /// What people call their files is text, not HTML.
    @Test func textIsEscaped() throws {
        let name = "a <b onload=alert(1)>&\"'"
        #expect(try Program.run(volume.training(name, steps: 3)).status == 0)
        let text = try page(volume.folder / "\(name)/report.html")
        #expect(!text.contains("<b onload") && text.contains("a &lt;b onload=alert(1)&gt;&amp;&quot;&#39;"))
        #expect(unbalanced(text).isEmpty)
        #expect(escaped("\u{7}é<") == "\u{FFFD}é&lt;")
    }

    @Test func foldersThatAreNone() throws {
        let missing = try Program.run(["report", volume.folder / "nothing"])
        #expect(missing.status == 66 && missing.errors.contains("is no run folder") && missing.errors.contains("configuration.yaml"))
        #expect(try Program.run(["report"]).status == 64)
        #expect(try Program.run(volume.training("run", steps: 3)).status == 0)
        let nowhere = try Program.run(["report", volume.folder / "run", "--output", volume.folder / "no/where.html"])
        #expect(nowhere.status == 66 && nowhere.errors.contains("does not exist"), "\(nowhere.errors)")
        _ = volume.folder.file("run/validation.json", "{")
        let damaged = try Program.run(["report", volume.folder / "run"])
        #expect(damaged.status == 65 && damaged.errors.contains("validation.json"), "\(damaged.errors)")
        // A run of an earlier version, or one that was told not to, has less to show.
        for name in ["validation.json", "history.jsonl", "log.jsonl"] {
            try FileManager.default.removeItem(atPath: volume.folder / "run/\(name)")
        }
        try FileManager.default.removeItem(atPath: volume.folder / "run/previews")
        #expect(try Program.run(["report", volume.folder / "run"]).status == 0)
        #expect(unbalanced(try page(volume.folder / "run/report.html")).isEmpty)
    }

    /// A long run's page is not longer than a short one's.
    @Test func aLongLog() throws {
        #expect(try Program.run(volume.training("run", steps: 3)).status == 0)
        let before = try page(volume.folder / "run/report.html").count
        var log = try String(contentsOfFile: volume.folder / "run/log.jsonl", encoding: .utf8)
        for step in 4...40_000 {
            log +=
                "{\"step\":\(step),\"epoch\":\(step / 4),\"loss\":\(1 + sin(Double(step))),\"accuracy\":0.5,\"learning_rate\":0.001,\"gradient_norm\":1.5,\"images_per_s\":\(step % 97),\"compute_s\":0.1,\"exposed_communication_s\":0.02,\"overlapped_communication_s\":0.05,\"input_wait_s\":0.001}\n"
        }
        _ = volume.folder.file("run/log.jsonl", log)
        let result = try Program.run(["report", volume.folder / "run"])
        let text = try page(volume.folder / "run/report.html")
        #expect(result.status == 0 && text.count < before + 250_000, "\(before) \(text.count)")
        #expect(text.contains("medians of 1000 steps") && text.contains("100 ms") && text.contains("40k"))
    }
}
