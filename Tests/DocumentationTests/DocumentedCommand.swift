import Foundation
import TestSupport

/// A command as it stands in the code of a page.
struct DocumentedCommand: Sendable {
    /// Its text, lines that a backslash continues joined, and without a comment behind it.
    let text: String
    /// The page it stands on, and the line there.
    let page: String, line: Int

    /// The words that a line of code begins with if it is a command: programs, and those that lie in this package.
    private static let programs: Set<String> = [
        "apptainer", "apt-get", "bioimageio", "cat", "cd", "docker", "echo", "export", "hostname", "kill", "man", "module", "mpiexec",
        "mpirun",
        "nohup", "pip", "python", "python3", "qsub", "rsync", "sbatch", "scp", "source", "srun", "ssh", "sudo", "swift", "tensorboard",
        "touch",
        "ulimit", "unet-mpi",
    ]
    private static let folders = ["benchmarks/", "examples/", "Fuzzing/", "scripts/", "Tests/"]

    /// The commands of a page, in order.
    static func all(of page: Page) -> [DocumentedCommand] {
        page.blocks.filter { ["sh", "bash", nil].contains($0.language) }.flatMap { block in
            var commands: [DocumentedCommand] = [], begun = ""
            for (number, line) in block.lines.enumerated() {
                let whole = begun + line
                if whole.hasSuffix("\\") && isCommand(whole) {
                    begun = whole.dropLast() + " "
                    continue
                }
                begun = ""
                if isCommand(whole) {
                    let text = whole.replacing(/\s+#.*$/, with: "").replacing(/\s+/, with: " ")
                    commands.append(DocumentedCommand(text: text, page: page.path, line: block.line + number))
                }
            }
            return commands
        }
    }

    /// Lines of a page's code that name our program and are not recognised as commands.
    static func overlooked(on page: Page) -> [String] {
        page.blocks.filter { $0.language == nil || ["sh", "bash"].contains($0.language) }.flatMap { block in
            var isContinued = false
            return block.lines.filter { line in
                let isCommand = isContinued || isCommand(line)
                isContinued = isCommand && line.hasSuffix("\\")
                return !isCommand && line.contains("unet-mpi ")
            }
        }
    }

    private static func isCommand(_ line: String) -> Bool {
        guard let first = words(line).first(where: { !$0.contains(/^[A-Z][A-Z0-9_]*=/) }) else { return false }
        return programs.contains(first) || first.hasSuffix("/unet-mpi") || folders.contains { first.hasPrefix($0) }
    }

    private static func words(_ text: String) -> [String] { text.split(separator: " ").map(String.init) }

    /// The arguments of our program, where the command or text calls it: `["train", "--images", …]`.
    static func arguments(in text: String) -> [String]? {
        let words = words(text)
        guard let start = words.firstIndex(where: { $0 == "unet-mpi" || $0.hasSuffix("/unet-mpi") }) else { return nil }
        return Array(words[(start + 1)...].prefix { !["|", ">", "&&", "2>&1", "&", ";"].contains($0) })
    }
}

/// The subcommands and options that the program has, from what it says itself.
struct ProgramOptions {
    private struct Dump: Decodable {
        struct Command: Decodable {
            struct Argument: Decodable {
                struct Name: Decodable { var name: String }
                var names: [Name]?
            }
            var commandName: String
            var arguments: [Argument]?
            var subcommands: [Command]?
        }
        var command: Command
    }

    private let program: Dump.Command

    init() throws {
        let run = try ProgramRun.run("unet-mpi", ["--experimental-dump-help"])
        program = try JSONDecoder().decode(Dump.self, from: Data(run.output.utf8)).command
    }

    /// What is wrong with arguments that stand in a text: a subcommand or an option that the program does not have.
    func problem(with arguments: [String]) -> String? {
        var command = program, rest = arguments[...]
        if rest.first == "help" { rest = rest.dropFirst() }
        while let name = rest.first, let next = command.subcommands?.first(where: { $0.commandName == name }) {
            (command, rest) = (next, rest.dropFirst())
        }
        if let name = rest.first, !name.hasPrefix("-"), command.subcommands?.isEmpty == false {
            return name.contains(/^[a-z]+$/) ? "\(command.commandName) has no subcommand \(name)" : nil
        }
        for (word, before) in zip(rest, [""] + rest) where before != "--scheduler-option" {
            // (What follows --scheduler-option is an option of the batch system.)
            if word == "--", let train = program.subcommands?.first(where: { $0.commandName == "train" }) {
                command = train
            } else if let option = word.firstMatch(of: /^--([a-z0-9-]+)/)?.1, !names(of: command).contains(String(option)) {
                return "\(command.commandName) has no option --\(option)"
            }
        }
        return nil
    }

    private func names(of command: Dump.Command) -> [String] { (command.arguments ?? []).flatMap { $0.names ?? [] }.map(\.name) }

    /// The long options of all subcommands.
    var all: Set<String> {
        func walk(_ command: Dump.Command) -> [String] { names(of: command) + (command.subcommands ?? []).flatMap(walk) }
        return Set(walk(program))
    }
}
