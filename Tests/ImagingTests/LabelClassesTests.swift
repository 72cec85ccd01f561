import Imaging
import TestSupport
import Testing

/// Lists of classes: what they are made from, what is refused, and what labels become by them.
@Suite struct LabelClassesTests {
    @Test func text() throws {
        let named = try LabelClasses(text: "background=0, cell=7,ignore=255,border=300")
        #expect(named.classes.map(\.value) == [0, 7, 300] && named.names == ["background", "cell", "border"] && named.ignored == 255)
        #expect(named.count == 3 && named.greatestValue == 300)
        #expect(named.description == "background=0, cell=7, border=300, ignore=255")
        #expect(try LabelClasses(text: named.description) == named)
        let bare = try LabelClasses(text: "2,0,1")
        #expect(bare.names == ["2", "0", "1"] && bare.classes.map(\.value) == [2, 0, 1] && bare.ignored == nil)
        #expect(Set(try LabelClasses(text: (0..<256).map { "\($0)" }.joined(separator: ",")).classes.map(\.color)).count > 200)
        #expect(try LabelClasses([(0, "a", "#102030"), (1, "b", nil)]).classes[0].rgb == Canvas.Color(0x10, 0x20, 0x30))
    }

    @Test(arguments: [
        ("", "listed as in"), ("0", "from 2 to 256"), ("0,ignore=1", "1 class;"), ("0,1,1", "twice"), ("a=0,a=1", "twice"),
        ("0,1,x", "'x'"),
        ("a=0=1,2", "listed as in"), ("0,70000", "from 0 to 65535"), ("0,-1", "from 0 to 65535"), ("a,b=1", "'a'"),
        ("=0,1", "a name is made of"),
        ("\"=0,1", "a name is made of"), ("0,1,ignore=2,ignore=3", "ignore is there twice"), ("0,1,ignore=1", "twice"),
        ("0,1,ignore=99999", "from -32768"),
    ]) func refused(_ text: String, _ reason: String) {
        do throws(LabelClasses.Refusal) {
            _ = try LabelClasses(text: text)
            Issue.record("'\(text)' was taken")
        } catch { #expect(error.description.contains(reason), "\(error)") }
    }

    @Test func colors() {
        for color in ["red", "#12345", "#12345g", "#+12345", "123456"] {
            #expect(throws: LabelClasses.Refusal.self) { try LabelClasses([(0, "a", color), (1, "b", nil)]) }
        }
    }

    @Test func values() throws {
        let classes = try LabelClasses(text: "5,0,ignore=-1,9")
        func replace(_ values: [Float]) -> ([Float], (value: Float, count: Int)?) {
            var values = values
            let unknown = values.withUnsafeMutableBufferPointer { classes.replaceValues(in: $0) }
            return (values, unknown)
        }
        let (indices, none) = replace([5, 5, 0, 9, -1, 9, 5])
        #expect(indices == [0, 0, 1, 2, -1, 2, 0] && none == nil)
        let unknown = replace([0, 7, 7, 8, 5, .nan]).1
        #expect(unknown?.value == 7 && unknown?.count == 4)
    }

    @Test func mostProbable() {
        var probabilities: [Float] = [0.2, 0.4, 0.1, 0.3, 0.4, 0.6, 0.5, 0.2, 0.3]
        let indices = probabilities.withUnsafeMutableBufferPointer { Array(LabelClasses.mostProbable($0, classes: 3)) }
        #expect(indices == [2, 0, 1], "of two that are alike the first")
    }

    /// A label value that no class has is an error that names file, page, value and number of pixels; a class that is nowhere is a warning.
    @Test func datasets() throws {
        try withTemporaryFolder { folder in
            func write(_ name: String, _ values: [Float]) throws -> String {
                let writer = try makeVolumeWriter(
                    path: "\(folder)/\(name)", shape: VolumeShape(pages: 2, height: 2, width: 3), pixelType: .uint16)
                for page in 0..<2 { try Array(values[page * 6..<(page + 1) * 6]).withUnsafeBufferPointer { try writer.append($0) } }
                try writer.close()
                return "\(folder)/\(name)"
            }
            let images = try write("images.tif", Array(repeating: 9, count: 12))
            let labels = try write("labels.tif", [10, 300, 20, 10, 99, 10, 10, 20, 20, 20, 99, 10])
            let classes = try LabelClasses(text: "a=10,b=20,c=300,ignore=99")
            let data = try SliceDataset(images: images, labels: labels, classes: classes)
            #expect(try data.withLabel(0) { Array($0) } == [0, 2, 1, 0, -1, 0] && data.labelWarnings() == [])
            let second = try SliceDataset(images: images, labels: labels, classes: classes, pages: [1])
            #expect(try second.withLabel(0) { Array($0) } == [0, 1, 1, 1, -1, 0])
            let warning = try second.labelWarnings().first ?? ""
            #expect(warning.contains("no pixel") && warning.contains("c (300)"), "\(warning)")
            let less = try SliceDataset(images: images, labels: labels, classes: LabelClasses(text: "10,300,99"))
            for read in [{ _ = try less.labelWarnings() }, { try less.withLabel(1) { _ in } }] as [() throws -> Void] {
                expectError(.invalid, "labels.tif", "of no class, the first of value 20", "ignore=20") { try read() }
            }
            expectError(.invalid, "labels.tif", "page 1 holds 3 pixels") { try less.withLabel(1) { _ in } }
            let one = try SliceDataset(images: images, labels: images, classes: LabelClasses(text: "0,9"))
            #expect(try one.labelWarnings().first?.contains("learn nothing") == true)
            let nothing = try SliceDataset(images: images, labels: images, classes: LabelClasses(text: "0,1,ignore=9"))
            #expect(try nothing.labelWarnings().first?.contains("every pixel is ignored") == true)
        }
    }

    /// However a sample is bent, its labels are those of the slice: nothing lies between two classes.
    @Test func augmentedLabels() throws {
        try withTemporaryFolder { folder in
            try SyntheticSample.write(to: folder, trainingPages: 1, testPages: 1, height: 96, width: 96, classes: 3)
            let classes = try LabelClasses(text: "membrane=0,cell=1,mitochondrion=2")
            let data = try SliceDataset(images: "\(folder)/train-volume.tif", labels: "\(folder)/train-labels.tif", classes: classes)
            let loader = try SampleLoader(dataset: data, augmentation: .strong, crop: .square(64), seed: 1)
            var image = [Float](repeating: 0, count: 64 * 64), label = image, found: Set<Float> = []
            for position in 0..<12 {
                try image.withUnsafeMutableBufferPointer { image in
                    try label.withUnsafeMutableBufferPointer { label in
                        try loader.load(
                            SampleStream(slices: 1, cropsPerSlice: 1, seed: 1).sample(at: position), image: image, label: label)
                    }
                }
                found.formUnion(label)
            }
            #expect(found == [0, 1, 2])
        }
    }
}
