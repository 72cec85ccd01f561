import Imaging

/// Looks at everything in images and labels that could make a training fail or go wrong, before there is one.
public struct DataCheck {
    private let classes: LabelClasses?
    private var report = DataCheckReport()
    /// What is wrong with the trained slices' values, to be cured by an option.
    private var options: [String] = []

    /// Reads all volumes of a pairing once. `classes` as in `train`.
    ///
    /// What is wrong with the data is in the report; only a volume that cannot be opened for a reason of the system's throws.
    public static func report(on pairing: DataPairing, classes: LabelClasses?) throws -> DataCheckReport {
        var check = DataCheck(classes: classes)
        (check.report.imagesAlone, check.report.labelsAlone, check.report.unknown) = (
            pairing.imagesAlone, pairing.labelsAlone, pairing.unknown
        )
        for group in pairing.groups { try check.examine(group) }
        check.conclude(pairing)
        return check.report
    }

    private init(classes: LabelClasses?) { self.classes = classes }

    // MARK: - A group

    /// One side of a pair, opened.
    private struct Opened {
        var images, labels: VolumeReader
    }

    private mutating func examine(_ group: DataPairing.Group) throws {
        var entry = DataCheckReport.Group(part: group.part, basis: group.basis, pairs: group.pairs)
        defer { report.groups.append(entry) }
        if group.basis == .order {
            report.add(.warning, "\(group.part): nothing but their order says which labels belong to which images; compare the list above")
        }
        var opened: [Opened] = []
        for pair in group.pairs {
            guard let images = open(pair.images), let labels = open(pair.labels) else { continue }
            let (a, b) = (images.shape, labels.shape)
            if (a.pages, a.height, a.width) != (b.pages, b.height, b.width) {
                report.add(.error, "\(pair.labels): the labels are \(b), but \(pair.images) is \(a); they must be of one size")
                continue
            }
            if b.channels != 1 {
                report.add(.error, "\(pair.labels): labels must have one channel, not \(b.channels); save them as grey")
                continue
            }
            opened.append(Opened(images: images, labels: labels))
        }
        guard !opened.isEmpty else { return }
        reportOddOnes(opened.map(\.images), what: "images")
        reportOddOnes(opened.map(\.labels), what: "labels")
        let images = try examineImages(opened.map(\.images), isTraining: group.part == "training")
        let labels = try examineLabels(opened.map(\.labels), images: images.values)
        (entry.images, entry.labels) = (images.summary, labels)
        comparePixelSizes(opened)
    }

    private mutating func open(_ path: String) -> VolumeReader? {
        do {
            return try VolumeReader(path)
        } catch {
            report.add(.error, "\(error)")
            return nil
        }
    }

    /// Slices that are trained together must be alike: names those that differ from the commonest kind.
    private mutating func reportOddOnes(_ volumes: [VolumeReader], what: String) {
        func kind(_ volume: VolumeReader) -> String {
            let shape = volume.shape
            return "\(shape.width)×\(shape.height)" + (shape.channels == 1 ? "" : " with \(shape.channels) channels")
                + " of type \(volume.pixelType.rawValue)"
        }
        let kinds = volumes.map(kind)
        let common = Dictionary(grouping: kinds, by: { $0 }).max { ($0.value.count, $1.key) < ($1.value.count, $0.key) }!
        guard common.value.count < kinds.count else { return }
        let odd = zip(volumes, kinds).filter { $0.1 != common.key }
        for (volume, kind) in odd.prefix(5) {
            report.add(
                .error,
                "\(volume.path): \(kind), but \(common.value.count) of the \(kinds.count) \(what) are \(common.key); \(what) that are used together must be alike"
            )
        }
        if odd.count > 5 { report.add(.error, "… and \(odd.count - 5) more \(what) that are unlike the others") }
    }

    private mutating func comparePixelSizes(_ opened: [Opened]) {
        func size(_ metadata: VolumeMetadata) -> String? {
            guard let width = metadata.pixelWidth, let height = metadata.pixelHeight else { return nil }
            let z = metadata.zSpacing.map { " × \(DataCheckReport.short($0))" } ?? ""
            return "\(DataCheckReport.short(width)) × \(DataCheckReport.short(height))\(z) \(metadata.unit ?? "")"
        }
        var seen = opened.first.flatMap { size($0.images.metadata) }
        for volume in opened.flatMap({ [$0.images, $0.labels] }) {
            guard let other = size(volume.metadata) else { continue }
            if let seen, seen != other {
                report.add(
                    .warning, "\(volume.path): its pixels are \(other), others are \(seen); a network takes all pixels for equally large")
                return
            }
            seen = other
        }
    }

    // MARK: - Images

    private mutating func examineImages(_ volumes: [VolumeReader], isTraining: Bool) throws -> (
        summary: DataCheckReport.Images, values: PageValues
    ) {
        let first = volumes[0], metadata = first.metadata
        var summary = DataCheckReport.Images(
            slices: volumes.map(\.shape.pages).reduce(0, +), height: first.shape.height, width: first.shape.width,
            channels: first.shape.channels, type: first.pixelType.rawValue, pixelWidth: metadata.pixelWidth,
            pixelHeight: metadata.pixelHeight, zSpacing: metadata.zSpacing, unit: metadata.unit)
        var all = PageValues(), moments = PixelMoments(), constant: [String] = []
        try forEachPage(volumes) { place, samples in
            var values = PageValues()
            values.add(samples)
            if values.notFinite > 0 {
                return ("\(place) holds \(values.notFinite) values that are not finite numbers", .error)
            }
            if values.least == values.greatest { constant.append("\(place) (all \(DataCheckReport.plain(values.least)))") }
            all.add(values)
            moments.add(PixelMoments(of: samples))
            return nil
        }
        if !constant.isEmpty { report.add(.warning, "images without any contrast: \(Self.list(constant))") }
        guard all.least.isFinite else { return (summary, all) }
        (summary.least, summary.greatest, summary.mean, summary.deviation) = (all.least, all.greatest, moments.mean, moments.deviation)
        guard isTraining else { return (summary, all) }
        if let most = first.pixelType.maximum {
            if first.pixelType.size > 1, all.greatest < most / 8 {
                options += ["--normalization", "volume"]
                report.add(
                    .warning,
                    "the images are \(first.pixelType.rawValue), but hold nothing above \(DataCheckReport.plain(all.greatest)): divided by \(DataCheckReport.plain(most)) they would be almost black; use --normalization volume"
                )
            }
        } else if all.least < -10 || all.greatest > 10 {
            options += ["--normalization", "volume"]
            report.add(
                .warning,
                "the images hold floating-point numbers from \(DataCheckReport.plain(all.least)) to \(DataCheckReport.plain(all.greatest)), which are taken as they are; use --normalization volume"
            )
        }
        return (summary, all)
    }

    // MARK: - Labels

    /// What a page of labels holds.
    private struct Page {
        var place: String
        var values: PageValues
        /// Pixels above ½, of floating-point labels.
        var aboveHalf: Int
    }

    private mutating func examineLabels(_ volumes: [VolumeReader], images: PageValues) throws -> DataCheckReport.Labels {
        let isFloat = volumes[0].pixelType.isFloat
        var all = PageValues(), pages: [Page] = []
        try forEachPage(volumes) { place, samples in
            var values = PageValues()
            values.add(samples)
            if values.notFinite > 0 { return ("\(place) of the labels holds \(values.notFinite) values that are not numbers", .error) }
            all.add(values)
            pages.append(Page(place: place, values: values, aboveHalf: isFloat ? samples.count(where: { $0 > 0.5 }) : 0))
            return nil
        }
        var summary = DataCheckReport.Labels(type: volumes[0].pixelType.rawValue, distinctValues: all.distinct)
        let names = classes.map { Dictionary(uniqueKeysWithValues: $0.classes.map { (Float($0.value), $0.name) }) } ?? [:]
        let common = all.counts.sorted { ($0.value, $1.key) > ($1.value, $0.key) }.prefix(16).sorted { $0.key < $1.key }
        summary.values = common.map { value, pixels in
            DataCheckReport.LabelValue(
                value: value, name: value == classes?.ignored.map { Float($0) } ? LabelClasses.ignoredName : names[value], pixels: pixels,
                share: Double(pixels) / Double(all.pixels))
        }
        guard all.pixels > all.notFinite else { return summary }
        if all.distinct > 16, images.distinct <= 2 {
            report.add(
                .error,
                "images and labels look swapped: the labels have \(all.distinct > PageValues.mostValues ? "over \(PageValues.mostValues)" : "\(all.distinct)") values, the images \(images.distinct); say --images and --labels"
            )
            return summary
        }
        if let classes {
            examine(classes, all, pages)
        } else if isFloat {
            addForeground(above: nil, pages, &summary)
        } else if all.distinct > 2 {
            refuse(all)
        } else {
            let threshold = all.distinct == 2 ? all.least : 0
            if summary.values.count == 2 { (summary.values[0].name, summary.values[1].name) = ("background", "foreground") }
            addForeground(above: threshold, pages, &summary)
        }
        return summary
    }

    /// Labels of more than two values, and no classes named.
    private mutating func refuse(_ all: PageValues) {
        let values = all.counts.keys.sorted(), text = Self.list(values.map(DataCheckReport.plain))
        let isWhole = values.allSatisfy { $0 == $0.rounded() && (0...65535).contains($0) }
        let cure: String
        if values.count <= 16, isWhole, !all.hasMore {
            cure =
                "if they are classes name them, as in --classes \(values.enumerated().map { "\($0 == 0 ? "background" : "class\($0)")=\(DataCheckReport.plain($1))" }.joined(separator: ","))"
        } else if values.first == 0, values.last == 255, values.count <= 256,
            Double(all.counts[0]! + all.counts[255]!) > 0.8 * Double(all.pixels)
        {
            cure =
                "most pixels are 0 or 255, so this was a mask that was scaled or compressed with loss: set all above 127 to 255 and the others to 0"
        } else {
            cure = "if each object has its own number, make all of them 255 and leave 0 between objects that touch"
        }
        let count = all.hasMore ? "more than \(PageValues.mostValues)" : "\(values.count)"
        report.add(.error, "the labels have \(count) values (\(text)), where background and foreground would be two; \(cure)")
    }

    private mutating func examine(_ classes: LabelClasses, _ all: PageValues, _ pages: [Page]) {
        let known = Set(classes.classes.map { Float($0.value) } + (classes.ignored.map { [Float($0)] } ?? []))
        let others = all.counts.keys.filter { !known.contains($0) }.sorted()
        if !others.isEmpty {
            let place = pages.first { page in others.contains { page.values.counts[$0] != nil } }!.place
            report.add(
                .error,
                "labels of no class: \(Self.list(others.map(DataCheckReport.plain))), first in \(place); the classes are \(classes) (name them in --classes, or one of them ignore=VALUE)"
            )
        }
        for one in classes.classes where all.counts[Float(one.value)] == nil {
            report.add(.warning, "no pixel is of the class \(one.name) (\(one.value))")
        }
    }

    /// The share of foreground, integers above `threshold` or other numbers above ½, in each slice, and the slices that have none or nothing else.
    private mutating func addForeground(
        above threshold: Float?, _ pages: [Page], _ summary: inout DataCheckReport.Labels
    ) {
        let fractions = pages.map { page in
            let count = threshold.map { limit in page.values.counts.filter { $0.key > limit }.map(\.value).reduce(0, +) } ?? page.aboveHalf
            return Double(count) / Double(page.values.pixels)
        }
        (summary.leastForeground, summary.greatestForeground) = (fractions.min(), fractions.max())
        let empty = zip(pages, fractions).filter { $1 == 0 }.map { $0.0.place },
            full = zip(pages, fractions).filter { $1 == 1 }.map { $0.0.place }
        if empty.count == pages.count || full.count == pages.count {
            report.add(
                .error,
                "all pixels of all labels are \(empty.isEmpty ? "foreground" : "background"); there is nothing to learn from labels of one class"
            )
            return
        }
        if !empty.isEmpty { report.add(.warning, "labels without any foreground (not labelled yet?): \(Self.list(empty))") }
        if !full.isEmpty { report.add(.warning, "labels that are nothing but foreground: \(Self.list(full))") }
    }

    // MARK: - Helpers

    /// Hands out each page with its place; what `body` returns is reported.
    private mutating func forEachPage(
        _ volumes: [VolumeReader], _ body: (String, UnsafeBufferPointer<Float>) -> (String, DataCheckReport.Severity)?
    ) throws {
        for volume in volumes {
            var samples = [Float](repeating: 0, count: volume.shape.pageCount)
            for page in 0..<volume.shape.pages {
                do {
                    try samples.withUnsafeMutableBufferPointer { try volume.readPage(page, into: $0) }
                } catch let error as ImagingError {
                    report.add(.error, "\(error)")
                    break
                }
                let place = volume.place(ofPage: page), name = volume.shape.pages == 1 ? place.path : "\(place.path), page \(place.page)"
                if let (text, severity) = samples.withUnsafeBufferPointer({ body(name, $0) }) { report.add(severity, text) }
            }
        }
    }

    private static func list(_ items: [String]) -> String {
        items.prefix(6).joined(separator: "; ") + (items.count > 6 ? "; … (\(items.count) in all)" : "")
    }

    // MARK: - Conclusion

    private mutating func conclude(_ pairing: DataPairing) {
        guard let training = pairing.groups.first(where: { $0.part == "training" }) else {
            report.add(.error, Self.noPairs(pairing))
            return
        }
        guard !report.hasErrors, let images = report.groups.first(where: { $0.part == "training" })?.images else { return }
        let validation = pairing.groups.first { $0.part == "validation" }
        // The last word is that of what training itself opens.
        do {
            for group in [training, validation].compactMap({ $0 }) {
                let data = try SliceDataset(images: group.images, labels: group.labels, classes: classes)
                _ = try data.labelWarnings()
            }
        } catch {
            report.add(.error, "\(error)")
            return
        }
        var command = ["unet-mpi", "train"]
        for group in [training, validation].compactMap({ $0 }) {
            let prefix = group.part == "training" ? "--" : "--validation-"
            command += group.images.paths.flatMap { ["\(prefix)images", $0] } + group.labels.paths.flatMap { ["\(prefix)labels", $0] }
        }
        if validation == nil, images.slices > 1 { command += ["--validation", "\(max(1, images.slices / 6))"] }
        if let classes { command += ["--classes", classes.description.replacingOccurrences(of: ", ", with: ",")] }
        command += options
        let side = min(images.height, images.width)
        if side < 256 {
            // A multiple of 2^depth; the smallest networks get by with two poolings.
            let depth = side >= 64 ? 4 : 2, multiple = 1 << depth
            guard side >= multiple else {
                report.add(.error, "slices of \(images.width)×\(images.height) pixels are too small to train on")
                return
            }
            if depth != 4 { command += ["--depth", "\(depth)"] }
            command += ["--crop", "\(side / multiple * multiple)"]
        }
        report.command = command + ["--output", "runs/first"]
    }

    private static func noPairs(_ pairing: DataPairing) -> String {
        if !pairing.groups.isEmpty {
            return "there are labels for \(pairing.groups.map(\.part).joined(separator: " and ")), but none to train on"
        }
        if pairing.labelsAlone.isEmpty {
            return
                "no labels were found: call their files or folder labels, masks or segmentation, or say --images and --labels"
        }
        return "no labels were found that belong to images: give them the same names, or say --images and --labels"
    }
}
