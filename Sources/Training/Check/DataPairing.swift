import Foundation
import Imaging

/// Which volumes are images and which are their labels: guessed from names, to be shown before anything is trained.
///
/// Data are taken as they lie: two stacks, a folder with two folders of slices, slices whose labels stand beside them, with or without a
/// part that is set aside for validation or test.
public struct DataPairing: Equatable, Sendable {
    /// How images and labels were put together.
    public enum Basis: String, Codable, Sendable {
        /// As the user said.
        case given
        /// What their names have in common.
        case names
        /// Their order, their names having nothing in common.
        case order
        /// What they hold: labels have the fewer values.
        case content
    }

    /// A volume or slice of images with its labels.
    public struct Pair: Codable, Equatable, Sendable {
        /// Path of the images.
        public var images: String
        /// Path of their labels.
        public var labels: String
    }

    /// Pairs that are used together.
    public struct Group: Equatable, Sendable {
        /// `training`, `validation` or `test`.
        public var part: String
        /// How they were found.
        public var basis: Basis
        /// The pairs in natural order.
        public var pairs: [Pair]
        /// What `train` is to be told: a folder, where it holds nothing else, or the files.
        public var images, labels: VolumePaths
    }

    /// What belongs together, training first.
    public private(set) var groups: [Group] = []
    /// Images without labels, labels without images, and what could be either.
    public private(set) var imagesAlone: [String] = [], labelsAlone: [String] = [], unknown: [String] = []

    /// As the user said; folders that hold equally many files are shown file by file.
    public init(images: [String], labels: [String]) throws {
        guard images.count == labels.count else {
            throw TrainingError(
                .usage, "each --images needs its --labels: there are \(images.count) volumes of images and \(labels.count) of labels")
        }
        var pairs: [Pair] = []
        for (image, label) in zip(images, labels) {
            let sides = try [image, label].map { Self.isFolder($0) ? try Self.files(inFolder: $0) : [$0] }
            let sameCount = sides[0].count == sides[1].count && !sides[0].isEmpty
            pairs += sameCount ? zip(sides[0], sides[1]).map { Pair(images: $0, labels: $1) } : [Pair(images: image, labels: label)]
        }
        groups = [Group(part: "training", basis: .given, pairs: pairs, images: VolumePaths(images), labels: VolumePaths(labels))]
    }

    /// Guesses from everything that lies at `paths`.
    public init(_ paths: [String]) throws {
        let found = try paths.map { try Self.candidates(at: $0) }
        // Where each place has images and labels of its own, its name tells them from those of the others; where one place has the images and
        // another the labels, the places' names have nothing in common.
        let areWhole = found.allSatisfy { files in
            let kinds = files.map { VolumeRole(path: $0.nameInside).kind }
            return kinds.contains(.labels) && kinds.contains { $0 != .labels }
        }
        var roles: [Role] = found.flatMap { files in
            files.map { file -> Role in
                let role = VolumeRole(path: paths.count > 1 ? file.name : file.nameInside)
                return (file.path, areWhole ? role : VolumeRole(path: file.nameInside, kind: role.kind))
            }
        }
        if roles.isEmpty {
            throw TrainingError(
                .missing, "\(paths.joined(separator: ", ")): there are no .tif, .tiff, .png, .npy, .h5, .hdf5 or .hdf files")
        }
        var basis = Basis.names
        // Two places, or two files, and no name that tells them apart: labels are what has the fewer values.
        let sides = found.count == 2 ? found : roles.count == 2 ? found.flatMap { $0.map { [$0] } } : []
        if sides.count == 2, !(roles.contains { $0.role.kind == .labels } && roles.contains { $0.role.kind != .labels }),
            let first = sides[0].first, let second = sides[1].first
        {
            let counts = try [first, second].map { try PageValues.distinct(inFirstPageOf: $0.path) }
            guard counts[0] != counts[1] else {
                throw TrainingError(
                    .invalid,
                    "\(first.path) and \(second.path): neither their names nor their content tell which holds labels; say --images and --labels"
                )
            }
            let labels = counts[0] < counts[1] ? 0 : 1
            roles = sides.enumerated().flatMap { side, files in
                files.map { file -> Role in (file.path, VolumeRole(path: file.nameInside, kind: side == labels ? .labels : .images)) }
            }
            // Two files are a pair whatever they are called.
            if roles.count == 2 { roles = roles.map { ($0.path, VolumeRole(path: "one", kind: $0.role.kind)) } }
            basis = .content
        }
        pair(roles, basis)
    }

    // MARK: - Files

    private struct Candidate {
        /// As it is opened.
        var path: String
        /// From the place that the user named on, with or without that.
        var name, nameInside: String
    }

    private static let extensions = ["tif", "tiff", "png", "npy"], hdf5 = ["h5", "hdf5", "hdf"]

    static func isFolder(_ path: String) -> Bool {
        var isFolder: ObjCBool = false
        return FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) && isFolder.boolValue
    }

    /// The files that a folder is the volume of.
    static func files(inFolder folder: String) throws -> [String] {
        try contents(folder).filter { extensions.contains(($0 as NSString).pathExtension.lowercased()) }.map { joined(folder, $0) }
    }

    private static func joined(_ folder: String, _ name: String) -> String { (folder as NSString).appendingPathComponent(name) }

    private static func contents(_ folder: String) throws -> [String] {
        do {
            return try FileManager.default.contentsOfDirectory(atPath: folder).filter { !$0.hasPrefix(".") }.sorted(by: naturallyPrecedes)
        } catch {
            throw TrainingError(.inputOutput, "\(folder): cannot list the folder: \(error.localizedDescription)")
        }
    }

    /// All volumes at a path, folders within folders and datasets of HDF5 files included.
    private static func candidates(at path: String) throws -> [Candidate] {
        func volumes(_ path: String, _ name: String) throws -> [Candidate] {
            guard hdf5.contains((path as NSString).pathExtension.lowercased()), FileManager.default.fileExists(atPath: path) else {
                return [Candidate(path: path, name: name, nameInside: name)]
            }
            let datasets = try VolumeReader.datasets(ofHDF5: path)
            if datasets.count < 2 { return [Candidate(path: path, name: name, nameInside: name)] }
            return datasets.map { Candidate(path: "\(path):\($0)", name: "\(name)\($0).h5", nameInside: "\(name)\($0).h5") }
        }
        guard isFolder(path) else {
            let file = path.split(separator: ":").first.map(String.init) ?? path
            if !FileManager.default.fileExists(atPath: path) && !FileManager.default.fileExists(atPath: file) {
                throw TrainingError(.missing, "\(path): there is no such file or folder")
            }
            let name = (path as NSString).lastPathComponent
            return file == path ? try volumes(path, name) : [Candidate(path: path, name: path + ".h5", nameInside: path + ".h5")]
        }
        let own = ((path as NSString).standardizingPath as NSString).lastPathComponent
        var all: [Candidate] = []
        func walk(_ folder: String, _ inside: String, depth: Int) throws {
            let names = try contents(folder)
            // What a training left is no data.
            if names.contains("checkpoints") && names.contains("configuration.yaml") { return }
            for name in names {
                let path = joined(folder, name), place = inside.isEmpty ? name : "\(inside)/\(name)"
                if isFolder(path) {
                    if depth < 5 { try walk(path, place, depth: depth + 1) }
                } else if (extensions + hdf5).contains((name as NSString).pathExtension.lowercased()) {
                    all += try volumes(path, place)
                }
            }
        }
        try walk(path, "", depth: 0)
        return all.map { Candidate(path: $0.path, name: "\(own)/\($0.name)", nameInside: $0.nameInside) }
    }

    // MARK: - Pairs

    private typealias Role = (path: String, role: VolumeRole)

    private struct Found {
        var pair: Pair
        var part: VolumeRole.Part
        var basis: Basis
    }

    private mutating func pair(_ roles: [Role], _ basis: Basis) {
        var labels = roles.filter { $0.role.kind == .labels }, others = roles.filter { $0.role.kind != .labels }
        // Where some are called images, a name that says nothing comes second.
        others = others.filter { $0.role.kind == .images } + others.filter { $0.role.kind == .unknown }
        var found: [Found] = []
        var byKey: [String: [Int]] = [:]
        for (index, other) in others.enumerated() { byKey[other.role.key, default: []].append(index) }
        var used: Set<Int> = []
        labels.removeAll { label in
            guard let index = byKey[label.role.key]?.first(where: { !used.contains($0) }) else { return false }
            used.insert(index)
            found.append(Found(pair: Pair(images: others[index].path, labels: label.path), part: others[index].role.part, basis: basis))
            return true
        }
        others = others.enumerated().filter { !used.contains($0.offset) }.map(\.element)
        pairNeighbours(&labels, &others, &found)
        // The only labels belong to the only images, wherever they are.
        if found.isEmpty, labels.count == 1, others.count == 1 {
            found = [Found(pair: Pair(images: others[0].path, labels: labels[0].path), part: .training, basis: basis)]
            (labels, others) = ([], [])
        }
        labelsAlone = labels.map(\.path)
        imagesAlone = others.filter { $0.role.kind == .images }.map(\.path)
        unknown = others.filter { $0.role.kind == .unknown }.map(\.path)
        found.sort { naturallyPrecedes($0.pair.images, $1.pair.images) }
        // A part that has no training beside it is one.
        let onlyPart = Set(found.map(\.part)).count == 1
        for part in VolumeRole.Part.allCases {
            let members = found.filter { $0.part == part }
            for basis in [Basis.names, .content, .order] {
                let pairs = members.filter { $0.basis == basis }.map(\.pair)
                guard !pairs.isEmpty else { continue }
                groups.append(
                    Group(
                        part: onlyPart ? VolumeRole.Part.training.rawValue : part.rawValue, basis: basis, pairs: pairs,
                        images: Self.volumes(pairs.map(\.images)), labels: Self.volumes(pairs.map(\.labels))))
            }
        }
        // Folders are used for both or for none: files of one side and a folder of the other would be no pairs.
        for index in groups.indices where groups[index].images.paths.count != groups[index].labels.paths.count {
            groups[index].images = VolumePaths(groups[index].pairs.map(\.images))
            groups[index].labels = VolumePaths(groups[index].pairs.map(\.labels))
        }
    }

    /// Pairs what lies in two folders side by side: by the files' own names, or else, if there are as many of both, by their order.
    private func pairNeighbours(_ labels: inout [Role], _ others: inout [Role], _ found: inout [Found]) {
        func folder(_ role: Role) -> String { (role.path as NSString).deletingLastPathComponent }
        func parent(_ folder: String) -> String { (folder as NSString).deletingLastPathComponent }
        func inOrder(_ roles: [Role]) -> [Role] { roles.sorted { naturallyPrecedes($0.path, $1.path) } }
        for place in Set(labels.map(folder)).sorted(by: naturallyPrecedes) {
            let left = inOrder(labels.filter { folder($0) == place })
            let beside = Set(others.map(folder)).filter { $0 != place && parent($0) == parent(place) }.sorted(by: naturallyPrecedes)
            var pairs: [(image: Role, label: Role)] = [], basis = Basis.names
            for candidate in beside where pairs.isEmpty {
                let images = others.filter { folder($0) == candidate }
                let matched = left.compactMap { label in
                    images.first { $0.role.ownKey == label.role.ownKey }.map { (image: $0, label: label) }
                }
                if matched.count == left.count, Set(matched.map { $0.image.path }).count == left.count { pairs = matched }
            }
            if pairs.isEmpty {
                let sameCount = beside.map { candidate in inOrder(others.filter { folder($0) == candidate }) }.filter {
                    $0.count == left.count
                }
                guard sameCount.count == 1 else { continue }
                (pairs, basis) = (zip(sameCount[0], left).map { (image: $0, label: $1) }, .order)
            }
            for (image, label) in pairs {
                found.append(Found(pair: Pair(images: image.path, labels: label.path), part: image.role.part, basis: basis))
                labels.removeAll { $0.path == label.path }
                others.removeAll { $0.path == image.path }
            }
        }
    }

    /// Folders in place of files where these are all that the folders hold, in the folders' order.
    private static func volumes(_ files: [String]) -> VolumePaths {
        var folders: [String] = []
        for file in files {
            let folder = (file as NSString).deletingLastPathComponent
            if folders.last != folder { folders.append(folder) }
        }
        let inside = folders.flatMap { (try? Self.files(inFolder: $0.isEmpty ? "." : $0)) ?? [] }
        return files.count > folders.count && inside == files ? VolumePaths(folders) : VolumePaths(files)
    }
}
