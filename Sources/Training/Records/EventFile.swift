import Foundation
import TensorBoard
import TensorBoard

/// What TensorBoard shows of the run. Each start of the program writes a file of its own into the run folder, whose first event makes
/// TensorBoard forget what earlier files hold of later steps.
package final class EventFile {
    private let file: AppendedFile

    /// Starts a file for a run that goes on from `step`.
    /// - Parameters:
    ///   - text: The configuration.
    ///   - now: Seconds since 1970.
    package init(
        folder: String, host: String, step: Int, configuration text: String, now: Double, files: any FileOperations = SystemFiles()
    )
        throws
    {
        // Readers take the files in the order of their names, so that this one must come after all there are.
        let latest = try files.contents(of: folder).compactMap(Self.seconds).max() ?? 0
        let number = String(max(Int(now), latest + 1)), padding = String(repeating: "0", count: max(0, 10 - number.count))
        // A host name with a slash would name another folder.
        let name = "\(Self.prefix)\(padding)\(number).\(host.replacingOccurrences(of: "/", with: "_")).\(getpid()).0"
        file = try AppendedFile(path: "\(folder)/\(name)", files: files)
        let fenced = "```yaml\n\(text)\n```"
        try file.append(
            EventRecord.bytes(.version, wallTime: now)
                // What was logged at `step` itself stays.
                + (step > 0 ? EventRecord.bytes(.start, step: step + 1, wallTime: now) : [])
                + EventRecord.bytes(.text(tag: "configuration", fenced), step: step, wallTime: now))
    }

    private static let prefix = "events.out.tfevents."

    /// The time in a file's name.
    private static func seconds(_ name: String) -> Int? {
        name.hasPrefix(prefix) ? name.dropFirst(prefix.count).split(separator: ".").first.flatMap { Int($0) } : nil
    }

    /// Appends the numbers of a line of the log.
    package func append(_ fields: [(name: String, value: TrainingLog.Value)], step: Int) throws {
        let scalars = fields.compactMap { field in Self.tag(field.name).map { (tag: $0, value: field.value.number) } }
        if !scalars.isEmpty { try append(.scalars(scalars), step: step) }
    }

    /// Appends pictures by their tags.
    package func append(images: [(tag: String, picture: PreviewPicture)], step: Int) throws {
        try append(
            .images(images.map { ($0.tag, $0.picture.png, $0.picture.width, $0.picture.height, $0.picture.channels) }), step: step)
    }

    private func append(_ content: EventRecord.Content, step: Int) throws {
        try file.append(EventRecord.bytes(content, step: step, wallTime: Date().timeIntervalSince1970))
    }

    /// The tag of a number of the log: TensorBoard puts those with the same beginning together.
    package static func tag(_ name: String) -> String? {
        switch name {
        case "step", "epoch": nil
        case "images_per_s": "speed/images_per_s"
        case "peak_memory_mib": "memory/peak_mib"
        case _ where name.hasPrefix("validation_"): "validation/\(name.dropFirst("validation_".count))"
        case _ where name.hasSuffix("_s"): "time/\(name)"
        default: "training/\(name)"
        }
    }
}
