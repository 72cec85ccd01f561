import Foundation
import TestSupport
import Testing

/// What `scripts/install` and `scripts/package` make, of the program that the tests have built.
@Suite struct InstallTests {
    private let folder = TemporaryFolder()
    private static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    private struct Outcome {
        let status: Int32
        let text: String
    }

    /// Runs a command line; both its outputs.
    private func shell(_ line: String, in directory: String? = nil, program: String = "/bin/bash") throws -> Outcome {
        let process = Process(), output = Pipe()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = [program] + (program == "/bin/bash" ? ["--noprofile", "--norc"] : []) + ["-c", line]
        process.currentDirectoryURL = directory.map { URL(fileURLWithPath: $0) } ?? Self.root
        process.standardOutput = output
        process.standardError = output
        process.standardInput = FileHandle.nullDevice
        try Program.withoutBlockedSignals { try process.run() }
        let text = String(decoding: try output.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
        process.waitUntilExit()
        return Outcome(status: process.terminationStatus, text: text)
    }

    @Test func scriptsAreBash() throws {
        for name in try FileManager.default.contentsOfDirectory(atPath: Self.root.path + "/scripts") {
            // generate-font is Python's.
            guard try shell("head -n 1 scripts/\(name)").text.contains("bash") else { continue }
            let check = try shell("bash -n scripts/\(name) && scripts/\(name) --help")
            #expect(check.status == 0 && check.text.contains("Usage: scripts/\(name)"), "\(name): \(check.text)")
        }
    }

    @Test func installation() throws {
        let prefix = folder / "with a blank"
        let run = try shell("scripts/install --prefix '\(prefix)' --program '\(Program.path)' --no-manual")
        #expect(run.status == 0, "\(run.text)")
        let version = try shell("'\(prefix)/bin/unet-mpi' --version").text.trimmingCharacters(in: .whitespacesAndNewlines)
        let module = try String(contentsOfFile: "\(prefix)/share/modulefiles/unet-mpi/\(version)", encoding: .utf8)
        #expect(module.hasPrefix("#%Module1.0\n") && module.contains("prepend-path PATH \"\(prefix)/bin\""), "\(module)")
        // bash completes a subcommand, an option, the values of one, and files.
        let completion = "'\(prefix)/share/bash-completion/completions/unet-mpi'"
        let cases = [
            ("tra", "train"), ("train --learning-rate-sch", "--learning-rate-schedule"), ("train --architecture unet-r", "unet-residual"),
            ("export --format saf", "safetensors"), ("predict --images Pack", "Package.swift"), ("train --config Pack", "Package.swift"),
            ("info Pack", "Package.swift"),
        ]
        for (words, expected) in cases {
            let list = "unet-mpi \(words)", count = list.split(separator: " ").count - 1
            let found = try shell(
                """
                PATH='\(prefix)/bin':$PATH; source \(completion); COMP_WORDS=(\(list)); COMP_CWORD=\(count); COMP_LINE='\(list)'
                COMP_POINT=${#COMP_LINE}; $(complete -p unet-mpi | sed 's/.*-F \\([^ ]*\\).*/\\1/') unet-mpi "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
                printf '%s\\n' "${COMPREPLY[@]}"
                """)
            #expect(found.text.split(whereSeparator: \.isWhitespace).contains(Substring(expected)), "\(words): \(found.text)")
        }
        let missing = try shell("scripts/install --program '\(folder / "none")' --no-manual --prefix '\(prefix)'")
        #expect(missing.status == 66 && missing.text.contains("none is no program"), "\(missing.text)")
        #expect(try shell("scripts/install --prefix").status == 64)
    }

    /// The archive works where it is unpacked, and says what it needs.
    @Test func archive() throws {
        let file = folder / "archive.tar.gz", place = folder / "elsewhere"
        let run = try shell("scripts/package --program '\(Program.path)' --no-manual '\(file)'")
        #expect(run.status == 0, "\(run.text)")
        #expect(try shell("mkdir '\(place)' && tar xzf '\(file)' -C '\(place)'").status == 0)
        let readme = try String(contentsOfFile: "\(place)/unet-mpi/README", encoding: .utf8)
        for library in ["libmpi", "libhdf5", "libtiff", "libpng", "libopenblas"] {
            #expect(readme.contains("  \(library)"), "\(library): \(readme)")
        }
        let version = try shell("'\(place)/unet-mpi/bin/unet-mpi' --version").text.trimmingCharacters(in: .whitespacesAndNewlines)
        let module = try String(contentsOfFile: "\(place)/unet-mpi/share/modulefiles/unet-mpi/\(version)", encoding: .utf8)
        #expect(module.contains("prepend-path PATH \"$prefix/bin\"") && !module.contains("/tmp/tmp."), "\(module)")
        #expect(FileManager.default.fileExists(atPath: "\(place)/unet-mpi/LICENSE"))
    }

    /// zsh and fish load what was made for them, and a page of the manual for each subcommand that groff and man have nothing against.
    @Test(
        .enabled(
            if: ProcessInfo.processInfo.environment["UNET_TEST_ALL"] == "1",
            "long: it builds the manual's generator; needs zsh, fish, groff"))
    func shellsAndManual() throws {
        let prefix = folder / "prefix"
        let run = try shell("scripts/install --prefix '\(prefix)' --program '\(Program.path)'")
        #expect(run.status == 0, "\(run.text)")
        let zsh = try shell(
            "fpath=('\(prefix)/share/zsh/site-functions' $fpath); autoload -U compinit; compinit -u -d '\(folder / "dump")'; print ${_comps[unet-mpi]}; autoload +X _unet-mpi && print loaded",
            program: "zsh")
        #expect(zsh.status == 0 && zsh.text == "_unet-mpi\nloaded\n", "\(zsh.text)")
        let fish = try shell(
            "set PATH '\(prefix)/bin' $PATH; source '\(prefix)/share/fish/vendor_completions.d/unet-mpi.fish'; complete -C 'unet-mpi tra'; complete -C 'unet-mpi train --learning-rate-sch'",
            program: "fish")
        #expect(fish.status == 0 && fish.text.contains("train") && fish.text.contains("--learning-rate-schedule"), "\(fish.text)")
        for (words, _) in try HelpTests().commands() {
            let page = "'\(prefix)/share/man/man1/\((["unet-mpi"] + words).joined(separator: "-")).1'"
            // Long lists of choices do not break at the end of a line: no fault of the page.
            let groff = try shell(
                "groff -ww -Wbreak -mandoc -Tutf8 \(page) >/dev/null && man -l \(page) 2>/dev/null | grep -c '^NAME' >/dev/null")
            #expect(groff.status == 0 && groff.text.isEmpty, "\(words): \(groff.text)")
        }
    }
}
