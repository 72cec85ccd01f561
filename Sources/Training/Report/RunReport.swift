import Foundation
import Imaging

/// What is known of a run, gathered for people: a page, `report.html`, and a picture, `progress.png`.
package struct RunReport {
    /// The run folder, as it was named.
    let name: String
    let configuration: TrainingConfiguration
    let curves: TrainingCurves
    let history: [RunEvent]
    let validation: ValidationRecord?
    let slices: [Slice]

    /// A slice that previews show, with its files.
    struct Slice {
        var title: String
        var image, truth, prediction: PreviewPicture
        /// `nil` if the pictures are not of one size.
        var differences: PreviewPicture?
        /// The latest prediction's step.
        var step: Int
        /// Of the first slice, some of the predictions on the way, the latest one last.
        var way: [(step: Int, picture: PreviewPicture)]

        /// What is shown side by side.
        var pictures: [(picture: PreviewPicture, title: String)] {
            [(image, "image"), (truth, "truth"), (prediction, "prediction")] + (differences.map { [($0, "differences")] } ?? [])
        }
    }

    /// A report from its parts.
    init(
        name: String, configuration: TrainingConfiguration, curves: TrainingCurves, history: [RunEvent], validation: ValidationRecord?,
        previews: [PreviewFolder.Stored]
    ) throws {
        (self.name, self.configuration, self.curves, self.history, self.validation) = (name, configuration, curves, history, validation)
        let titles = history.compactMap(\.start).last?.previews ?? []
        slices = try previews.enumerated().map { number, stored in
            let image = try PreviewPicture(path: stored.image), truth = try PreviewPicture(path: stored.truth)
            let last = stored.predictions[stored.predictions.count - 1], prediction = try PreviewPicture(path: last.path)
            let way = number > 0 ? [] : Self.some(stored.predictions, 6)
            return Slice(
                title: titles.first { $0.name == stored.name }?.title ?? stored.name, image: image, truth: truth, prediction: prediction,
                differences: .differences(image: image, truth: truth, prediction: prediction), step: last.step,
                way: try way.map { (step: $0.step, picture: try PreviewPicture(path: $0.path)) })
        }
    }

    /// A report of a run folder.
    ///
    /// Throws `TrainingError` or `ImagingError`: `missing` if the folder is none of a run, `invalid` if a file there is damaged.
    package init(folder: String) throws {
        let files = SystemFiles(), configurationPath = RunFolder.configurationPath(folder)
        guard FileManager.default.fileExists(atPath: configurationPath) else {
            throw TrainingError(
                .missing, "\(folder): is no run folder: it has no configuration.yaml; give the folder that train --output named")
        }
        func content(_ path: String) throws -> [UInt8] { try FileManager.default.fileExists(atPath: path) ? files.readAll(path) : [] }
        try self.init(
            name: folder,
            configuration: TrainingConfiguration(
                resolved: TrainingConfiguration.text(of: configurationPath, files: files), from: configurationPath),
            curves: TrainingCurves(TrainingLog.entries(of: content(RunFolder.logPath(folder)))),
            history: RunHistory.events(of: content(RunFolder.historyPath(folder))),
            validation: ValidationRecord(path: RunFolder.validationPath(folder)), previews: PreviewFolder(run: folder).stored())
    }

    /// Where the page lies if nothing else is said.
    package static func standardPath(in folder: String) -> String { RunFolder.reportPath(folder) }

    /// Writes the page, whole or not at all.
    ///
    /// - Throws: `ImagingError` if it cannot be written.
    package func write(to path: String) throws {
        let file = try AtomicFile(path)
        try Array(page.utf8).withUnsafeBytes { try file.write($0) }
        try file.commit()
    }

    /// Writes the picture, whole or not at all.
    ///
    /// - Throws: `ImagingError` if it cannot be written.
    package func writePicture(to path: String) throws { try picture.write(to: path) }

    /// Up to `count` of them, evenly, with the first and the last.
    private static func some<T>(_ all: [T], _ count: Int) -> [T] {
        all.count <= count ? all : (0..<count).map { all[$0 * (all.count - 1) / (count - 1)] }
    }

    // MARK: What the charts show

    /// The last start that is known of.
    var start: RunStart? { history.compactMap(\.start).last }
    /// Steps to be done in all, as far as that is known.
    var totalSteps: Int { start?.totalSteps ?? configuration.steps ?? curves.step }
    /// Steps at which the run went on from a checkpoint.
    private var resumes: [Double] { history.filter { $0.event == .start && $0.step > 0 }.map { Double($0.step) } }

    /// Steps as a chart's x axis.
    private func chart(
        _ title: String, _ yLabel: String, _ series: [Chart.Series], yRange: ClosedRange<Double>? = nil, isLogarithmic: Bool = false
    ) -> Chart {
        var chart = Chart(
            title, xLabel: "update (step)", yLabel: yLabel, series, xRange: 0...Double(max(1, curves.step)), yRange: yRange,
            isLogarithmic: isLogarithmic)
        chart.markers = resumes
        return chart
    }

    /// A number of each step: all of it faintly, and its course.
    private func course(_ name: String, as title: String, color: Int) -> [Chart.Series] {
        let curve = curves[name], points = curve.points.map { (x: Double($0.step), y: $0.value) }
        let means = curve.means(100).map { (x: $0.step, y: $0.value) }
        guard points.count > 100 else { return [Chart.Series(title, color: color, points)] }
        return [Chart.Series(title, color: color, style: .faint, points), Chart.Series(title, color: color, means)]
    }

    /// A number of each validation.
    private func dots(_ name: String, as title: String, color: Int) -> Chart.Series {
        Chart.Series(title, color: color, style: .dots, curves[name].points.map { (x: Double($0.step), y: $0.value) })
    }

    /// The loss of training and validation.
    var lossChart: Chart {
        chart(
            "Loss", "loss", course("loss", as: "training", color: 0) + [dots("validation_loss", as: "validation", color: 1)],
            isLogarithmic: true)
    }

    /// Scores of the validation, or without one the accuracy of training.
    var scoreChart: Chart {
        let isMean = configuration.classes == nil ? "" : "mean "
        let scores = [
            ("accuracy", "accuracy"), ("dice", "\(isMean)Dice"), ("iou", "\(isMean)IoU"), ("v_rand", "V-Rand"), ("v_info", "V-Info"),
        ]
        let series = scores.enumerated().map { dots("validation_\($1.0)", as: $1.1, color: $0) }.filter { !$0.points.isEmpty }
        if series.isEmpty {
            return chart("Accuracy of training", "share of pixels", course("accuracy", as: "training", color: 0))
        }
        return chart("Validation", "score (1 is best)", series)
    }

    /// The other curves.
    var furtherCharts: [Chart] {
        let classes = (configuration.classes?.names ?? []).prefix(Chart.palette.count).enumerated().map {
            dots("validation_\(ValidationMetric.classDice($1).name)", as: $1, color: $0)
        }
        return [
            chart("Dice of each class", "Dice (1 is best)", classes),
            chart(
                "Accuracy of training", "share of pixels",
                curves.names(prefix: "validation_").isEmpty ? [] : course("accuracy", as: "accuracy", color: 0)),
            chart(
                "Errors of segments", "error (0 is best)",
                [("rand_error", "Rand error"), ("warping_error", "warping error"), ("pixel_error", "pixel error")].enumerated().map {
                    dots("validation_\($1.0)", as: $1.1, color: $0)
                }, isLogarithmic: true),
            chart(
                "Learning rate", "learning rate",
                [Chart.Series("learning rate", color: 0, curves["learning_rate"].points.map { (Double($0.step), $0.value) })]),
            chart("Gradient norm", "norm of the gradient", course("gradient_norm", as: "before clipping", color: 0), isLogarithmic: true),
            chart("Speed", "images a second", course("images_per_s", as: "images/s", color: 2), yRange: 0...0),
            chart(
                "Memory of rank 0", "peak memory (MiB)",
                [Chart.Series("peak", color: 3, curves["peak_memory_mib"].points.map { (Double($0.step), $0.value) })], yRange: 0...0),
        ].filter { !$0.isEmpty }
    }

    /// Scores over the threshold of the probability.
    var thresholdCharts: [Chart] {
        guard let validation, let points = validation.thresholds else { return [] }
        let segments = validation.segments?.thresholds ?? points
        func series(_ name: String, _ color: Int, _ points: [ValidationRecord.Point], _ value: (ValidationRecord.Point) -> Double?)
            -> Chart.Series
        {
            Chart.Series(name, color: color, style: .dots, points.compactMap { point in value(point).map { (x: point.threshold, y: $0) } })
        }
        let scores = [
            series("accuracy", 0, points, \.accuracy), series("Dice", 1, points, \.dice), series("IoU", 2, points, \.iou),
            series("V-Rand", 3, segments, \.vRand), series("V-Info", 4, segments, \.vInfo),
            series("1 − Rand error", 5, segments) { $0.randError.map { 1 - $0 } },
        ]
        let least = scores.flatMap(\.points).map(\.y).min() ?? 0
        var charts = [
            Chart(
                "Scores over the threshold", xLabel: "threshold of the probability", yLabel: "score (1 is best)", scores, xRange: 0...1,
                yRange: min(0.9, least)...1),
            Chart(
                "Warping error over the threshold", xLabel: "threshold of the probability", yLabel: "share of pixels (0 is best)",
                [series("warping error", 0, segments, \.warpingError)], xRange: 0...1, yRange: 0...0),
        ].filter { !$0.isEmpty }
        for place in charts.indices { charts[place].tellsLast = false }
        return charts
    }

    // MARK: Where the run is

    /// In one line, how far the run has come.
    var state: String {
        let steps = "step \(curves.step) of \(max(totalSteps, curves.step))"
        guard let last = history.last(where: { $0.event != .warning }) else { return steps }
        switch last.event {
        case .finish: return "finished, \(steps)\(last.text.map { ": \($0)" } ?? "")"
        case .stop: return "stopped, \(steps)\(last.text.map { ": \($0)" } ?? "")"
        case .failure: return "ended by an error, \(steps)"
        case .start, .warning: return "\(steps); no end is recorded yet"
        }
    }

    /// The title: the last part of the folder's name.
    var title: String {
        let parts = URL(fileURLWithPath: name).standardizedFileURL.pathComponents
        return parts.last.map { $0 == "/" ? name : $0 } ?? name
    }

    /// The scores of the validation that there are, with what is the better end.
    var scoreNames: [(name: String, title: String, isError: Bool)] {
        let known: [(String, String, Bool)] = [
            ("loss", "loss", true), ("accuracy", "accuracy", false), ("dice", "Dice", false), ("iou", "IoU", false),
            ("v_rand", "V-Rand", false),
            ("v_info", "V-Info", false), ("rand_error", "Rand error", true), ("pixel_error", "pixel error", true),
            ("warping_error", "warping error", true),
        ]
        let classes = (configuration.classes?.names ?? []).flatMap {
            [(ValidationMetric.classDice($0).name, "Dice of \($0)", false), (ValidationMetric.classIoU($0).name, "IoU of \($0)", false)]
        }
        return (known + classes).filter { !curves["validation_\($0.0)"].isEmpty }
    }
}
