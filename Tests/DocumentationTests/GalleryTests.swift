import Foundation
import Imaging
import TestSupport
import Testing

/// The pictures of `docs/augmentation-gallery.md` are those that `scripts/gallery` makes with the program as it is.
@Suite struct GalleryTests {
    @Test func picturesAreTheCommittedOnes() throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("gallery-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let program = Bundle.main.executableURL!.resolvingSymlinksInPath().deletingLastPathComponent().appendingPathComponent("unet-mpi")
            .path
        let script = Page.root.appendingPathComponent("scripts/gallery").path
        let run = try ProgramRun.run(command: [script, folder], variables: ["UNET_MPI": program])
        #expect(run.status == 0, "\(run)")
        let committed = try Page.below("docs/images/augmentation", suffix: ".png")
        #expect(committed.count >= 17)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder).count == committed.count)
        for path in committed {
            let (old, new) = (
                try pixels(Page.root.appendingPathComponent(path).path), try pixels(folder + "/" + (path as NSString).lastPathComponent)
            )
            try #require(old.count == new.count, "\(path) has another size: run scripts/gallery and look at it")
            // Another CPU's exponential may round a grey value the other way.
            let different = zip(old, new).count { abs($0 - $1) > 1 }
            #expect(different == 0, "\(path): \(different) values of \(old.count) differ: run scripts/gallery and look at it")
        }
    }

    private func pixels(_ path: String) throws -> [Float] {
        let reader = try VolumeReader(path)
        var values = [Float](repeating: 0, count: reader.shape.pageCount)
        try values.withUnsafeMutableBufferPointer { try reader.readPage(0, into: $0) }
        return values
    }
}
