import Foundation
import Imaging

/// What a prediction looked like after some step.
package struct Preview {
    /// The slice, or what stands for a sample of the training.
    package var name: String
    package var image, truth, prediction: PreviewPicture
    /// Whether image and truth are of this step only.
    package var isOfItsStep: Bool

    package init(name: String, image: PreviewPicture, truth: PreviewPicture, prediction: PreviewPicture, isOfItsStep: Bool = false) {
        (self.name, self.image, self.truth, self.prediction, self.isOfItsStep) = (name, image, truth, prediction, isOfItsStep)
    }
}

/// The run's folder `previews`: PNG files of some slices, their labels, and what was predicted on the way.
///
///     slice-0027-image.png  slice-0027-truth.png  slice-0027-step-00000600-prediction.png
///
/// The latest prediction is there, and of earlier ones so many as show how the network learned.
package struct PreviewFolder {
    /// The folder.
    package let path: String
    private let files: any FileOperations
    /// Stretches that a run is divided into; of each the first prediction is kept.
    package static let stretches = 50

    /// The folder of a run.
    package init(run: String, files: any FileOperations = SystemFiles()) {
        path = "\(run)/previews"
        self.files = files
    }

    /// Makes the folder, and takes away what killed writers left and predictions of later steps than the run goes on from.
    package func prepare(step: Int) throws {
        do {
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        } catch {
            throw TrainingError(.inputOutput, "\(path): cannot create the folder for previews: \(error.localizedDescription)")
        }
        try files.removeTemporaries(in: path)
        for file in try files.contents(of: path) {
            if let parts = Self.parts(of: file), let of = parts.step, of > step { try files.remove("\(path)/\(file)") }
        }
    }

    /// Writes the previews of a step, each file whole or not at all, then takes away earlier ones that are not to be kept.
    package func write(_ previews: [Preview], step: Int, of total: Int) throws {
        for preview in previews {
            let ofStep = "\(preview.name)-step-\(Self.digits(step))", fixed = preview.isOfItsStep ? ofStep : preview.name
            for (picture, name) in [
                (preview.image, "\(fixed)-image.png"), (preview.truth, "\(fixed)-truth.png"),
                (preview.prediction, "\(ofStep)-prediction.png"),
            ] {
                try picture.png.withUnsafeBytes { try files.writeAtomically([$0], to: "\(path)/\(name)") }
            }
            let all = try files.contents(of: path).compactMap { file in
                Self.parts(of: file).flatMap { parts in parts.name == preview.name ? parts.step.map { (file: file, step: $0) } : nil }
            }
            let kept = preview.isOfItsStep ? [step] : Self.kept(Set(all.map(\.step)), of: total)
            for (file, step) in all where !kept.contains(step) { try files.remove("\(path)/\(file)") }
        }
    }

    /// Of the steps that there are previews of, the first of each stretch of the run, and the last.
    package static func kept(_ steps: Set<Int>, of total: Int) -> Set<Int> {
        var kept: Set<Int> = [], latest = -1
        for step in steps.sorted() where stretch(step, of: total) > latest {
            latest = stretch(step, of: total)
            kept.insert(step)
        }
        if let last = steps.max() { kept.insert(last) }
        return kept
    }

    /// The stretch of the run that a step is in.
    package static func stretch(_ step: Int, of total: Int) -> Int { step * stretches / max(1, total) }

    /// What the folder holds of a slice.
    package struct Stored {
        /// As in `PreviewSlice`.
        package var name: String
        package var image, truth: String
        /// The predictions' files, earliest first.
        package var predictions: [(step: Int, path: String)]
    }

    /// The slices of which there is everything, in the order of their names; none if there is no folder.
    package func stored() throws -> [Stored] {
        guard FileManager.default.fileExists(atPath: path) else { return [] }
        let names = try files.contents(of: path), all = Set(names)
        let predictions = names.compactMap { file in Self.parts(of: file).map { ($0, file) } }.filter { $0.0.kind == "prediction" }
        return Set(predictions.map(\.0.name)).sorted().compactMap { name in
            let ours = predictions.compactMap { parts, file in
                parts.name == name ? parts.step.map { (step: $0, path: "\(path)/\(file)") } : nil
            }
            .sorted { $0.step < $1.step }
            guard let last = ours.last else { return nil }
            for stem in ["\(name)-step-\(Self.digits(last.step))", name]
            where all.contains("\(stem)-image.png") && all.contains("\(stem)-truth.png") {
                return Stored(name: name, image: "\(path)/\(stem)-image.png", truth: "\(path)/\(stem)-truth.png", predictions: ours)
            }
            return nil
        }
    }

    private static func digits(_ step: Int) -> String { String(repeating: "0", count: max(0, 8 - "\(step)".count)) + "\(step)" }

    /// What a file's name says; `nil` if it is none of ours.
    private static func parts(of file: String) -> (name: String, step: Int?, kind: String)? {
        guard file.hasSuffix(".png"), let dash = file.lastIndex(of: "-") else { return nil }
        let kind = String(file[file.index(after: dash)...].dropLast(4)), stem = file[..<dash]
        guard ["image", "truth", "prediction"].contains(kind) else { return nil }
        if let marker = stem.range(of: "-step-", options: .backwards), let step = Int(stem[marker.upperBound...]) {
            return (String(stem[..<marker.lowerBound]), step, kind)
        }
        return (String(stem), nil, kind)
    }
}
