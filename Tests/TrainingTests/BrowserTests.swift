import Foundation
import Imaging
import Testing

private let environment = ProcessInfo.processInfo.environment
private let isChromiumWanted = environment["UNET_CHROMIUM"] != nil || environment["UNET_TEST_ALL"] == "1"

/// `report.html` in Chromium, without a window. With `scripts/test --all`, and where `UNET_CHROMIUM` names the program, as in continuous
/// integration; Chromium is a large package, so that others are not made to install it.
@Suite(.enabled(if: isChromiumWanted, "it needs Chromium: --all, or UNET_CHROMIUM=chromium"))
struct BrowserTests {
    let volume: SmallVolume
    init() throws { volume = try SmallVolume() }

    /// Loads a page, draws it into a PNG file, and returns what the page's console was told.
    func console(_ page: String, isDark: Bool, picture: String) throws -> [String] {
        let process = Process(), errors = Pipe()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = [
            environment["UNET_CHROMIUM"] ?? "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
            "--disable-background-networking", "--user-data-dir=\(volume.folder / "profile")", "--enable-logging=stderr",
            "--blink-settings=preferredColorScheme=\(isDark ? 0 : 1)", "--window-size=1200,3600", "--screenshot=\(picture)",
            URL(fileURLWithPath: page).absoluteString,
        ]
        process.standardError = errors
        process.standardOutput = FileHandle.nullDevice
        try process.run()
        let text = String(decoding: try errors.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
        process.waitUntilExit()
        #expect(process.terminationStatus == 0 && FileManager.default.fileExists(atPath: picture), "\(text)")
        return text.split(separator: "\n").map(String.init).filter { $0.contains("CONSOLE") }
    }

    /// Mean of the first rows of a picture, 0 … 255: the ground of the page.
    func ground(_ picture: String) throws -> Float {
        let volume = try VolumeReader(picture)
        var samples = [Float](repeating: 0, count: volume.shape.pageCount)
        try samples.withUnsafeMutableBufferPointer { try volume.readPage(0, into: $0) }
        #expect(Set(samples).count > 20, "an empty page")
        return samples[..<(8 * volume.shape.width)].reduce(0, +) / Float(8 * volume.shape.width)
    }

    @Test func thePageLoadsNothingAndSaysNothing() throws {
        let name = "a <b>&\"' é"
        #expect(try Program.run(volume.training(name) + ["--segmentation-scores-every", "20"], ranks: 2).status == 0)
        let page = volume.folder / "\(name)/report.html"
        for isDark in [false, true] {
            let picture = volume.folder / "page.png"
            #expect(try console(page, isDark: isDark, picture: picture).isEmpty)
            let ground = try ground(picture)
            #expect(isDark ? ground < 40 : ground > 220, "\(isDark) \(ground)")
        }
        // The page forbids itself to load anything, so that whatever would be asked for is told to the console.
        let spoilt = try String(contentsOfFile: page, encoding: .utf8).replacingOccurrences(
            of: "<footer>", with: "<img src=\"http://localhost:9/a.png\"><footer>")
        let messages = try console(volume.folder.file("spoilt.html", spoilt), isDark: false, picture: volume.folder / "spoilt.png")
        #expect(messages.contains { $0.contains("localhost:9") && $0.contains("Content Security Policy") }, "\(messages)")
    }
}
