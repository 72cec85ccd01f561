import Foundation
import Imaging

extension RunReport {
    /// `report.html`: one page that holds all it shows and loads nothing.
    package var page: String {
        let sections = [
            curvesSection, predictionsSection, scoresSection, timeSection, clusterSection, historySection, configurationSection,
        ]
        return """
            <!DOCTYPE html>
            <html lang="en">
            <head>
            <meta charset="utf-8">
            <meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <meta name="color-scheme" content="light dark">
            <link rel="icon" href="data:,">
            <title>\(escaped(title)) · unet-mpi</title>
            <style>
            \(Self.style)
            </style>
            </head>
            <body>
            <main>
            <header><h1>\(escaped(title))</h1><p>\(escaped(state))</p></header>
            \(figures)
            \(sections.filter { !$0.isEmpty }.joined(separator: "\n"))
            <footer>Written by unet-mpi \(escaped(programVersion)) on \(Self.time(Date().timeIntervalSince1970)). This page loads nothing from anywhere.</footer>
            </main>
            </body>
            </html>

            """
    }

    private func section(_ id: String, _ title: String, _ body: String) -> String {
        body.isEmpty ? "" : "<section id=\"\(id)\"><h2>\(escaped(title))</h2>\n\(body)\n</section>"
    }

    /// The few numbers to see first.
    private var figures: String {
        var items: [(name: String, value: String, note: String)] = []
        let total = max(totalSteps, curves.step)
        items.append(("Updates", Chart.number(Double(curves.step)), "of \(Chart.number(Double(total))), epoch \(curves.epoch)"))
        let best = configuration.bestMetric, curve = curves["validation_\(best)"]
        let isError = scoreNames.first { $0.name == best }?.isError ?? false
        if let point = isError ? curve.least : curve.greatest {
            let name = scoreNames.first { $0.name == best }?.title ?? best
            items.append(("Best \(name)", Chart.number(point.value), "validation, step \(point.step)"))
        }
        for (name, title) in [("validation_dice", "Dice"), ("validation_accuracy", "Accuracy")] where name != "validation_\(best)" {
            if let point = curves[name].last { items.append((title, Chart.number(point.value), "validation, step \(point.step)")) }
        }
        if let mean = curves["loss"].means(100).last { items.append(("Training loss", Chart.number(mean.value), "latest steps")) }
        if let mean = curves["images_per_s"].means(100).last { items.append(("Speed", Chart.number(mean.value), "images a second")) }
        if let start {
            let threads = start.ranks.map(\.threads).reduce(0, +)
            items.append(("Ranks", "\(start.ranks.count)", "\(threads) thread\(threads == 1 ? "" : "s") in all"))
        }
        return "<dl class=\"figures\">"
            + items.map {
                "<div><dt>\(escaped($0.name))</dt><dd>\(escaped($0.value))</dd><dd class=\"note\">\(escaped($0.note))</dd></div>"
            }
            .joined() + "</dl>"
    }

    private var curvesSection: String {
        let charts = ([lossChart, scoreChart] + furtherCharts).filter { !$0.isEmpty }
        return section(
            "curves", "Curves", charts.isEmpty ? "" : "<div class=\"charts\">\(charts.map(\.figure).joined(separator: "\n"))</div>")
    }

    // MARK: Predictions

    private static func image(_ picture: PreviewPicture, _ caption: String) -> String {
        let size = "width=\"\(picture.width)\" height=\"\(picture.height)\"", text = escaped(caption)
        return
            "<figure><img \(size) alt=\"\(text)\" src=\"data:image/png;base64,\(Data(picture.png).base64EncodedString())\"><figcaption>\(text)</figcaption></figure>"
    }

    private var predictionsSection: String {
        guard !slices.isEmpty else { return "" }
        var body = slices.map { slice in
            let pictures = slice.pictures.map {
                Self.image($0.picture, $0.title == "prediction" ? "prediction after step \(slice.step)" : $0.title)
            }
            return "<h3>\(escaped(slice.title))</h3><div class=\"pictures\">\(pictures.joined())</div>"
        }.joined(separator: "\n")
        func swatch(_ color: String, _ name: String) -> String { "<li><i style=\"background:\(escaped(color))\"></i>\(escaped(name))</li>" }
        if let classes = configuration.classes {
            body +=
                "<ul class=\"legend\">" + classes.classes.map { swatch($0.color, $0.name) }.joined() + swatch("#d55e00", "wrong class")
                + "</ul>"
        } else {
            body +=
                "<ul class=\"legend\">\(swatch("#d55e00", "false negative: foreground that was not found"))\(swatch("#56b4e9", "false positive: background taken for foreground"))</ul>"
        }
        let way = slices[0].way
        if way.count > 1 {
            let pictures = way.map { Self.image($0.picture, "step \($0.step)") }
            body += "<h3>How it learned</h3><div class=\"pictures way\">\(pictures.joined())</div>"
        }
        return section("predictions", "Predictions", body)
    }

    // MARK: Scores

    private var scoresSection: String {
        guard !scoreNames.isEmpty else { return "" }
        let rows = scoreNames.compactMap { score -> String? in
            let curve = curves["validation_\(score.name)"]
            guard let last = curve.last, let best = score.isError ? curve.least : curve.greatest else { return nil }
            return
                "<tr><td>\(escaped(score.title))</td><td class=\"number\">\(Chart.number(last.value))</td><td class=\"number\">\(last.step)</td><td class=\"number\">\(Chart.number(best.value))</td><td class=\"number\">\(best.step)</td></tr>"
        }
        var body = """
            <table><thead><tr><th>score of the validation</th><th class="number">latest</th><th class="number">step</th><th class="number">best</th><th class="number">step</th></tr></thead>
            <tbody>\(rows.joined())</tbody></table>
            """
        let charts = thresholdCharts
        if !charts.isEmpty { body += "<div class=\"charts\">\(charts.map(\.figure).joined(separator: "\n"))</div>" }
        return section("scores", "Scores", body + confusionTable)
    }

    private var confusionTable: String {
        guard let validation, let names = validation.classes, let counts = validation.confusion, counts.count == names.count * names.count
        else {
            return ""
        }
        let rows = names.indices.map { truth in
            let row = counts[truth * names.count..<(truth + 1) * names.count], total = row.reduce(0, +)
            let cells = row.map { count in
                let share = total == 0 ? 0 : Double(count) / Double(total)
                return
                    "<td class=\"number share\" style=\"--share:\(fixed(share, 3))\" title=\"\(count) pixels\">\(total == 0 ? "–" : fixed(100 * share, 1))</td>"
            }
            return "<tr><th>\(escaped(names[truth]))</th>\(cells.joined())<td class=\"number\">\(total)</td></tr>"
        }
        return """
            <h3>Confusion matrix, step \(validation.step): of the pixels of each class, percent that were taken for</h3>
            <div class="wide"><table><thead><tr><th>true class</th>\(names.map { "<th class=\"number\">\(escaped($0))</th>" }.joined())<th class="number">pixels</th></tr></thead>
            <tbody>\(rows.joined())</tbody></table></div>
            """
    }

    // MARK: Time and machines

    private var timeSection: String {
        let since = history.last { $0.event == .start }?.step ?? 0
        guard let time = curves.timing.medians(after: since) else { return "" }
        let total = time.compute + time.exposed + time.inputWait
        guard total > 0 else { return "" }
        func percent(_ seconds: Double) -> String { fixed(100 * seconds / total, 1) }
        let overlapped = min(time.overlapped, time.compute)
        let rows = [
            ("s0", "computing", time.compute, "forward, backward, optimizer, checks"),
            ("s0 hatched", "of it with communication beneath", overlapped, "gradients that travel while backward runs"),
            ("s1", "exposed communication", time.exposed, "waiting for other ranks"),
            ("s2", "waiting for input", time.inputWait, "reading and augmenting samples"),
        ].map {
            "<tr><td><i class=\"\($0.0)\"></i>\($0.1)</td><td class=\"number\">\(Self.milliseconds($0.2))</td><td class=\"number\">\(percent($0.2)) %</td><td class=\"note\">\($0.3)</td></tr>"
        }
        let bar = [
            ("s0", time.compute - overlapped, "computing"), ("s0 hatched", overlapped, "computing, with communication beneath"),
            ("s1", time.exposed, "exposed communication"), ("s2", time.inputWait, "waiting for input"),
        ]
        .map { "<span class=\"\($0.0)\" style=\"flex-grow:\(fixed($0.1 / total, 4))\" title=\"\($0.2): \(percent($0.1)) %\"></span>" }
        return section(
            "time", "Where the time of a step goes",
            """
            <div class="bar" role="img" aria-label="shares of the time of a step">\(bar.joined())</div>
            <table><thead><tr><th>of rank 0, medians of \(time.steps) step\(time.steps == 1 ? "" : "s")</th><th class="number">time</th><th class="number">share</th><th></th></tr></thead>
            <tbody>\(rows.joined())</tbody></table>
            """)
    }

    private static func milliseconds(_ seconds: Double) -> String {
        let value = seconds * 1000
        return value >= 10_000 ? "\(fixed(seconds, 1)) s" : "\(fixed(value, value < 10 ? 2 : value < 100 ? 1 : 0)) ms"
    }

    private var clusterSection: String {
        guard let start else { return "" }
        let hosts = start.ranks.map(\.host), names = hosts.indices.filter { hosts.firstIndex(of: hosts[$0]) == $0 }.map { hosts[$0] }
        let rows = names.prefix(200).map { host in
            let ranks = hosts.indices.filter { hosts[$0] == host }, placements = ranks.map { start.ranks[$0] }
            let threads = Set(placements.map(\.threads)).sorted().map(String.init).joined(separator: " or ")
            let numbers =
                ranks.count == 1
                ? "\(ranks[0])"
                : ranks.last! - ranks[0] == ranks.count - 1 ? "\(ranks[0])–\(ranks.last!)" : ranks.map(String.init).joined(separator: ", ")
            let bound = placements.map(\.processors), shown = Set(bound).count == 1 ? [bound[0]] : bound
            return
                "<tr><td>\(escaped(host))</td><td class=\"number\">\(ranks.count)</td><td>\(numbers)</td><td class=\"number\">\(threads)</td><td>\(escaped(shown.joined(separator: " · ")))</td><td class=\"number\">\(placements[0].hostProcessors)</td></tr>"
        }
        let more = names.count > 200 ? "<p class=\"note\">and \(names.count - 200) hosts more: history.jsonl has them all</p>" : ""
        let warnings = start.warnings.map { "<p class=\"warning\">\(escaped($0))</p>" }.joined()
        let facts = [
            ("instructions", start.instructionSet), ("parameters", "\(start.parameters)"),
            ("memory of rank 0, planned", "\(start.memoryMebibytes) MiB"),
            ("slices", "\(start.slices) to train on, \(start.validationSlices) to validate on; \(start.samplesPerEpoch) samples an epoch"),
            ("program", "unet-mpi \(start.programVersion)"),
        ].map { "<tr><td>\(escaped($0.0))</td><td>\(escaped($0.1))</td></tr>" }
        return section(
            "cluster", "Machines",
            """
            <div class="wide"><table><thead><tr><th>host</th><th class="number">ranks</th><th>numbers</th><th class="number">threads each</th><th>bound to processors</th><th class="number">of</th></tr></thead>
            <tbody>\(rows.joined())</tbody></table></div>\(more)\(warnings)
            <table class="facts"><tbody>\(facts.joined())</tbody></table>
            """)
    }

    // MARK: History and configuration

    private var historySection: String {
        let rows = history.suffix(200).map { event -> String in
            let what: String
            switch event.event {
            case .start: what = event.start?.resumedFrom.map { "went on from \($0)" } ?? "started"
            case .stop: what = "stopped after saving\(event.text.map { ": \($0)" } ?? "")"
            case .finish: what = "finished\(event.text.map { ": \($0)" } ?? "")"
            case .failure: what = "ended by an error: \(event.text ?? "")"
            case .warning: what = "warning: \(event.text ?? "")"
            }
            let ranks = event.start.map { " on \($0.ranks.count) rank\($0.ranks.count == 1 ? "" : "s")" } ?? ""
            let kind = event.event == .failure || event.event == .warning ? " class=\"warning\"" : ""
            return
                "<tr><td class=\"nowrap\">\(Self.time(event.time))</td><td class=\"number\">\(event.step)</td><td\(kind)>\(escaped(what + ranks))</td></tr>"
        }
        return section(
            "history", "What happened",
            rows.isEmpty
                ? ""
                : "<table><thead><tr><th>time (UTC)</th><th class=\"number\">step</th><th></th></tr></thead><tbody>\(rows.joined())</tbody></table>"
        )
    }

    private var configurationSection: String {
        let defaults = TrainingConfiguration()
        let rows = TrainingOption.all.compactMap { option -> String? in
            let value = option.text(of: configuration), standard = option.text(of: defaults)
            if value.isEmpty && standard.isEmpty { return nil }
            let isOwn = value != standard
            return
                "<tr\(isOwn ? " class=\"own\"" : "")><td>\(escaped(option.name))</td><td>\(escaped(value.isEmpty ? "–" : value))</td></tr>"
        }
        return section(
            "configuration", "Configuration",
            "<p class=\"note\">What differs from the defaults is marked. <code>configuration.yaml</code> in the run folder repeats it.</p><div class=\"columns\"><table class=\"facts\"><tbody>\(rows.joined())</tbody></table></div>"
        )
    }

    /// `2026-11-28 07:22`, in UTC.
    private static func time(_ seconds: Double) -> String {
        var moment = time_t(seconds), parts = tm()
        gmtime_r(&moment, &parts)
        return String(
            format: "%04d-%02d-%02d %02d:%02d", parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min)
    }
}
