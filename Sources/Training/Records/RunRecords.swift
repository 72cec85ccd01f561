import Foundation
import Imaging

/// Everything that a run writes beside its checkpoints, from rank 0: `log.jsonl`, `log.csv`, `history.jsonl`, `validation.json`, TensorBoard's
/// events, and, now and then, `previews/`, `progress.png` and `report.html`.
///
/// Every failure to write is an error like that of any other output: a run whose disk is full is to say so, not to go on in the dark.
package final class RunRecords {
    private let folder: RunFolder
    private let configuration: TrainingConfiguration
    private let log: TrainingLog
    private let table: TrainingTable
    private let history: RunHistory
    private let events: EventFile?
    private let previews: PreviewFolder
    private var curves: TrainingCurves
    private var validation: ValidationRecord?
    private var happened: [RunEvent]
    private let totalSteps: Int
    private var pace = Pace()
    /// The stretch of the run that TensorBoard has pictures of.
    private var picturedStretch = -1
    /// Whether TensorBoard has the images and labels of this start.
    private var areOriginalsLogged = false

    /// Opens the records of a run that goes on from `step`, after cutting them back to it.
    package init(
        folder: RunFolder, configuration: TrainingConfiguration, step: Int, start: RunStart, host: String
    ) throws {
        (self.folder, self.configuration) = (folder, configuration)
        totalSteps = start.totalSteps
        let files = folder.files
        log = try TrainingLog(path: folder.logPath, cutBackTo: step, files: files)
        let entries = TrainingLog.entries(of: try files.readAll(folder.logPath))
        table = try TrainingTable(path: folder.tablePath, configuration: configuration, entries: entries, files: files)
        curves = TrainingCurves(entries)
        history = try RunHistory(path: folder.historyPath, files: files)
        happened = RunHistory.events(of: try files.readAll(folder.historyPath))
        validation = try ValidationRecord(path: folder.validationPath, files: files)
        if let found = validation, found.step > step {
            try files.remove(folder.validationPath)
            validation = nil
        }
        previews = PreviewFolder(run: folder.path, files: files)
        if configuration.writesReport { try previews.prepare(step: step) }
        events =
            try configuration.writesTensorBoard
            ? EventFile(
                folder: folder.path, host: host, step: step, configuration: configuration.yaml, now: Date().timeIntervalSince1970,
                files: files) : nil
        try note(.start, step: step, start: start)
    }

    /// Writes a line of the log, and what follows from it.
    package func append(_ fields: KeyValuePairs<String, TrainingLog.Value>) throws { try append(fields.map { (name: $0, value: $1) }) }

    /// The same with fields that are not known beforehand, by different names.
    package func append(_ fields: [(name: String, value: TrainingLog.Value)]) throws {
        try log.append(fields)
        table.add(fields)
        var entry: [String: Double] = [:]
        for (name, value) in fields where value.number.isFinite { entry[name] = value.number }
        curves.add(entry)
        try events?.append(fields, step: curves.step)
    }

    /// Ends the row of a step in the table.
    package func endStep() throws { try table.endStep() }

    /// Writes what happened into the history.
    package func note(_ event: RunEvent.Kind, step: Int, _ text: String? = nil, start: RunStart? = nil) throws {
        let event = RunEvent(event, step: step, text: text, start: start)
        try history.append(event)
        happened.append(event)
    }

    /// Keeps what a validation found.
    func keep(_ result: Validation.Result, step: Int) throws {
        let record = ValidationRecord(result, step: step, after: validation)
        try record.write(to: folder.validationPath, files: folder.files)
        validation = record
    }

    /// Whether pictures may be drawn again: the last ones took less than a hundredth of the time since.
    package var isDrawingDue: Bool { configuration.drawsPictures && pace.isDue }

    /// Writes previews and pictures anew.
    package func draw(_ shown: [Preview], step: Int, isLast: Bool) throws {
        pace.begin()
        defer { pace.end() }
        if configuration.writesReport {
            try previews.write(shown, step: step, of: totalSteps)
            let report = try RunReport(
                name: folder.path, configuration: configuration, curves: curves, history: happened, validation: validation,
                previews: previews.stored())
            try report.picture.png.withUnsafeBytes { try folder.files.writeAtomically([$0], to: folder.picturePath) }
            try Array(report.page.utf8).withUnsafeBytes { try folder.files.writeAtomically([$0], to: folder.reportPath) }
        }
        // The event file only grows; so many pictures show how the network learned.
        let stretch = PreviewFolder.stretch(step, of: totalSteps)
        guard let events, !shown.isEmpty, stretch > picturedStretch || isLast else { return }
        picturedStretch = stretch
        for preview in shown {
            let originals = [("image", preview.image), ("truth", preview.truth)]
            let pictures = (areOriginalsLogged && !preview.isOfItsStep ? [] : originals) + [("prediction", preview.prediction)]
            try events.append(images: pictures.map { (tag: "\(preview.name)/\($0.0)", picture: $0.1) }, step: step)
        }
        areOriginalsLogged = true
    }
}

/// Keeps something that is done now and then from taking more than its share of the time.
package struct Pace {
    /// The time that must have passed since, in units of what it took the last time.
    package static let factor = 100.0
    private var began = 0.0, ended = 0.0, duration = 0.0
    private let clock: () -> Double

    /// Due at once. `clock` tells the time in seconds.
    package init(clock: @escaping () -> Double = { Double(DispatchTime.now().uptimeNanoseconds) / 1e9 }) { self.clock = clock }

    /// Whether enough time has passed.
    package var isDue: Bool { duration == 0 || clock() - ended >= Self.factor * duration }

    package mutating func begin() { began = clock() }

    package mutating func end() {
        ended = clock()
        duration = max(ended - began, 1e-6)
    }
}
