import Foundation
import Testing

/// What the program says of itself: the help of every subcommand, completions, and what is coloured.
@Suite struct HelpTests {
    let folder = TemporaryFolder()

    struct Help: Decodable {
        struct Command: Decodable {
            var commandName: String
            var discussion: String?
            var subcommands: [Command]?
            var arguments: [Argument]?

            /// Whether there is --quiet.
            var hasQuiet: Bool { arguments?.contains { $0.valueName == "quiet" } ?? false }
        }
        struct Argument: Decodable {
            var valueName: String?
            var abstract: String?
        }
        var command: Command
    }

    /// Every subcommand as the words that start it, the program itself as none.
    func commands() throws -> [(words: [String], command: Help.Command)] {
        let dump = try Program.run(["--experimental-dump-help"]).output
        func walk(_ command: Help.Command, _ words: [String]) -> [(words: [String], command: Help.Command)] {
            [(words, command)]
                + (command.subcommands ?? []).filter { $0.commandName != "help" }.flatMap { walk($0, words + [$0.commandName]) }
        }
        return walk(try JSONDecoder().decode(Help.self, from: Data(dump.utf8)).command, [])
    }

    /// The texts are those that were looked at and committed: `scripts/generate` writes them anew.
    @Test func textsAreTheCommittedOnes() throws {
        let path = Bundle.module.bundlePath + "/Fixtures/help.txt"
        let sections = try String(contentsOfFile: path, encoding: .utf8).components(separatedBy: "==== unet-mpi").dropFirst()
        let commands = try commands()
        #expect(sections.count == commands.count && commands.count > 20, "run scripts/generate")
        for (section, (words, _)) in zip(sections, commands) {
            let name = words.map { " " + $0 }.joined(), help = try Program.run(words + ["--help"], environment: ["COLUMNS": "100"])
            #expect(help.status == 0 && help.errors.isEmpty)
            // The generator of the manual pages leaves other letters out.
            #expect(help.output.utf8.allSatisfy { $0 < 128 }, "\(name)")
            #expect(
                "\(name)\n\(help.output)\n" == section, "run scripts/generate, and look at what has changed in the help of unet-mpi\(name)")
        }
    }

    /// Each has an example that begins with its own name, alone or under mpirun.
    @Test func eachHasAnExample() throws {
        for (words, command) in try commands() where command.subcommands?.isEmpty != false {
            let call = (["unet-mpi"] + words).joined(separator: " ")
            #expect(
                command.discussion?.contains("\(call) ") == true || command.discussion?.contains("\(call)\n") == true,
                "\(call) has no example")
        }
    }

    @Test(arguments: ["bash", "zsh", "fish"]) func completions(_ shell: String) throws {
        let script = try Program.run(["--generate-completion-script", shell])
        #expect(script.status == 0 && script.errors.isEmpty, "\(script.errors)")
        for word in ["unet-mpi", "train", "segmentation-scores-every", "doctor"] { #expect(script.output.contains(word), "\(word)") }
        guard shell == "bash" else { return }
        let check = Process()
        check.executableURL = URL(fileURLWithPath: "/bin/bash")
        check.arguments = ["-n", folder.file("completions", script.output)]
        try check.run()
        check.waitUntilExit()
        #expect(check.terminationStatus == 0)
    }

    /// Warnings are yellow on a terminal, unless `NO_COLOR` says otherwise; `--quiet` leaves them.
    @Test(arguments: [false, true]) func colours(_ areUnwanted: Bool) throws {
        let volume = try SmallVolume()
        try volume.write("ones.tif") { _, _, _ in 255 }  // labels of one class: a warning
        let arguments = volume.training("run", steps: 1, "--labels", volume.folder / "ones.tif", "--quiet")
        let terminal = Process(), output = Pipe()
        terminal.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        let command = ([Program.path] + arguments).map { "'\($0)'" }.joined(separator: " ")
        terminal.arguments =
            ["-u", "NO_COLOR", "TERM=xterm"] + (areUnwanted ? ["NO_COLOR=1"] : []) + ["script", "-qec", command, "/dev/null"]
        terminal.standardOutput = output
        terminal.standardInput = FileHandle.nullDevice
        try terminal.run()
        let text = String(decoding: try output.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
        terminal.waitUntilExit()
        #expect(text.contains("\u{1B}[33mwarning: ") == !areUnwanted && text.contains("warning: "), "\(text)")
    }
}
