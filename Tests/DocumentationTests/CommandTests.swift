import Foundation
import TestSupport
import Testing

/// Every command of the documentation runs, on the synthetic sample and in small, or is listed in `DocumentedCommands` with the reason why not.
@Suite struct CommandTests {
    /// Commands run as they stand, by bash, in a folder of the page's own, with other programs of these names in front of the real ones:
    ///
    /// - `unet-mpi` is the program that was built. To `train`, `bench`, `sample` and `augment` are given further options behind the page's own, of which
    ///   the last counts: two steps of a tiny network on one thread.
    /// - `mpirun` starts two ranks as the tests' launcher does, whatever number, hosts and binding the page names.
    /// - `sbatch` and `qsub` take a script that is there for queued.
    /// - The home folder is the page's folder, with `.local/bin/unet-mpi` in it.
    private func programs(in folder: URL) throws -> URL {
        let bin = folder.appendingPathComponent(".local/bin")
        try FileManager.default.createDirectory(at: bin, withIntermediateDirectories: true)
        let built = Bundle.main.executableURL!.resolvingSymlinksInPath().deletingLastPathComponent().appendingPathComponent("unet-mpi").path
        let launcher = MPILauncher.command(ranks: 2).joined(separator: " ")
        let scripts = [
            "unet-mpi": """
            case "${1-}" in
                train) set -- "$@" --steps 2 --base-channels 4 --depth 2 --crop 32 --batch-size 2 --threads 1 ;;
                augment) set -- "$@" --crop 32 ;;
                sample) set -- "$@" --training-pages 8 --test-pages 2 --height 64 --width 64 ;;
                bench)
                    case "${2-}" in
                        allreduce) set -- "$@" --sizes 64KiB --repeats 1 --warm-up 0 ;;
                        step) set -- "$@" --base-channels 4 --depth 2 --crop 32 --batch-size 2 --threads 1 --repeats 1 --warm-up 0 ;;
                        predict) set -- "$@" --base-channels 4 --depth 2 --crop 32 --threads 1 --repeats 1 --warm-up 0 ;;
                        kernels) set -- "$@" --layers 16x16@32 --threads 1 --repeats 1 --warm-up 0 ;;
                    esac ;;
            esac
            exec '\(built)' "$@"
            """,
            "mpirun": """
            while [[ $# -gt 0 && $1 != unet-mpi && $1 != */unet-mpi && $1 != hostname ]]; do shift; done
            [[ $# -gt 0 ]] || { echo 'no program for mpirun to start' >&2; exit 1; }
            exec "$(PATH=${PATH#*:} command -v \(launcher.split(separator: " ")[0]))" \(launcher.split(separator: " ").dropFirst().joined(separator: " ")) "$@"
            """,
            "sbatch": "[[ -f $1 ]] && bash -n \"$1\" && echo Submitted batch job 1",
            "qsub": "[[ -f $1 ]] && bash -n \"$1\" && echo 1.host",
        ]
        for (name, text) in scripts {
            let file = bin.appendingPathComponent(name)
            try "#!/usr/bin/env bash\n\(text)\n".write(to: file, atomically: true, encoding: .utf8)
            try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: file.path)
        }
        return bin
    }

    /// Runs a bash script in a folder with these programs.
    private func run(_ script: String, in folder: URL) throws -> ProgramRun {
        let bin = try programs(in: folder)
        var variables = MPILauncher.environment
        variables["PATH"] = bin.path + ":" + (ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin")
        variables["HOME"] = folder.path
        return try ProgramRun.run(
            command: ["/bin/bash", "-c", "cd '\(folder.path)' && set -euo pipefail\n\(script)"], variables: variables)
    }

    /// Makes what a page takes for granted.
    private func prepare(_ given: [DocumentedCommands.Given], in folder: URL) throws {
        let volumes = "--images train-volume.tif --labels train-labels.tif"
        let script = given.map { given in
            switch given {
            case .volumes: "unet-mpi sample --output ."
            case .classVolumes: "unet-mpi sample --classes 3 --output ."
            case .slices:
                """
                unet-mpi sample --output source
                for pair in train-volume:slices train-labels:masks test-volume:new-slices test-labels:new-masks; do
                    unet-mpi split source/${pair%%:*}.tif --output ${pair##*:}
                done
                rm -r source
                """
            case .run: "unet-mpi train \(volumes) --validation 2 --output runs/isbi"
            case .prediction:
                """
                unet-mpi train \(volumes) --output given/run
                unet-mpi predict --checkpoint given/run/checkpoints/best.h5 --images test-volume.tif --output prediction.tif
                unet-mpi sample --classes 3 --output three
                cp three/test-labels.tif three-labels.tif
                mv three/test-labels.tif labels.tif
                """
            case .configuration: "unet-mpi init \(volumes) --output train.yaml"
            case .kerasWeights:
                """
                unet-mpi train \(volumes) --architecture unet-keras --output given/keras
                unet-mpi export --run given/keras --output unet_membrane.hdf5
                """
            case .safetensors:
                """
                unet-mpi train \(volumes) --output given/torch
                unet-mpi export --run given/torch --output unet.safetensors
                """
            case .nnUNet:
                """
                unet-mpi sample --classes 3 --output source
                unet-mpi split source/train-volume.tif --output imagesTr
                unet-mpi split source/train-labels.tif --output labelsTr
                unet-mpi split source/test-volume.tif --output imagesTs
                for file in imagesTr/*.tif imagesTs/*.tif; do mv $file ${file%.tif}_0000.tif; done
                rm -r source
                """
            }
        }.joined(separator: "\n")
        let outcome = try run(script, in: folder)
        if outcome.status != 0 { throw DocumentationFailure(description: "what the page takes for granted cannot be made: \(outcome)") }
    }

    private static func isException(_ command: DocumentedCommand) -> Bool {
        DocumentedCommands.measurements.contains(command.page)
            || DocumentedCommands.exceptions.contains { command.text.hasPrefix($0.command) }
    }

    @Test(arguments: Page.documentation.filter { !DocumentedCommand.all(of: $0).filter { !isException($0) }.isEmpty })
    func runs(_ page: Page) throws {
        let commands = DocumentedCommand.all(of: page).filter { !Self.isException($0) }
        let given = try #require(DocumentedCommands.given[page.path], "DocumentedCommands.given says nothing of \(page.path)")
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("page-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        try prepare(given, in: folder)
        let script = commands.map { "echo '@ \($0.page):\($0.line)' >&2\n\($0.text)" }.joined(separator: "\n")
        let outcome = try run(script, in: folder)
        #expect(outcome.status == 0, "the last command begun is at fault:\n\(outcome.errors)\n\(outcome.output)")
        for (k, block) in page.blocks.filter({ $0.language == "yaml" }).enumerated() {
            try readsYAML(block, number: k, of: page, in: folder)
        }
    }

    /// A configuration that stands on a page is one that the program reads.
    private func readsYAML(_ block: Page.Block, number: Int, of page: Page, in folder: URL) throws {
        let file = "block-\(number).yaml"
        try block.lines.joined(separator: "\n").write(to: folder.appendingPathComponent(file), atomically: true, encoding: .utf8)
        let data = "--images given/train-volume.tif --labels given/train-labels.tif"
        let classes = block.lines.contains { $0.hasPrefix("classes:") } ? "--classes 3" : ""
        let outcome = try run(
            "unet-mpi sample \(classes) --output given\nunet-mpi train --config \(file) \(data) --output runs/\(file) --dry-run", in: folder
        )
        #expect(outcome.status == 0, "\(page.path):\(block.line): \(outcome.errors)")
    }

    @Test func exceptionsAreNeeded() {
        let commands = Page.documentation.flatMap(DocumentedCommand.all)
        #expect(commands.count > 40)
        for exception in DocumentedCommands.exceptions {
            #expect(
                commands.contains { $0.text.hasPrefix(exception.command) }, "no page has a command that begins with “\(exception.command)”")
        }
        let pages = Set(Page.documentation.map(\.path))
        for page in DocumentedCommands.given.keys { #expect(pages.contains(page), "\(page) is not there") }
    }

    /// Subcommands and options of our program exist, wherever a page names them.
    @Test func optionsExist() throws {
        let program = try ProgramOptions()
        #expect(program.problem(with: ["train", "--crops", "3"]) == "train has no option --crops")
        #expect(program.problem(with: ["bench", "steps"]) == "bench has no subcommand steps")
        #expect(program.problem(with: ["submit", "--scheduler-option", "--partition=long", "--", "--seed", "2"]) == nil)
        #expect(program.problem(with: ["submit", "--nodes", "2", "--", "--nodes", "2"]) == "train has no option --nodes")
        // Options of other programs that the text names: mpirun, srun, apptainer, torchrun, nnU-Net, and scripts of this package.
        let others: Set<String> = [
            "all", "allow-run-as-root", "bind", "bind-to", "c", "env", "fuzz", "hostfile", "kill-on-bad-exit", "mca",
            "merge", "mpi", "no-manual", "nproc-per-node", "oversubscribe", "package-path", "program", "verify_dataset_integrity",
        ]
        let known = program.all.union(others)
        var unused = others
        for page in Page.documentation {
            for command in DocumentedCommand.all(of: page) {
                guard let arguments = DocumentedCommand.arguments(in: command.text) else { continue }
                let problem = program.problem(with: arguments)
                #expect(problem == nil, "\(page.path):\(command.line): \(problem ?? "")")
            }
            for line in DocumentedCommand.overlooked(on: page) { Issue.record("\(page.path): not taken for a command: \(line)") }
            for code in page.inlineCode where !DocumentedCommands.measurements.contains(page.path) {
                if code.hasPrefix("unet-mpi "), let arguments = DocumentedCommand.arguments(in: code) {
                    let problem = program.problem(with: arguments)
                    #expect(problem == nil, "\(page.path): `\(code)`: \(problem ?? "")")
                }
                for match in code.matches(of: /(^|\s)--([a-z][a-z0-9_-]*)/) {
                    unused.remove(String(match.2))
                    #expect(known.contains(String(match.2)), "\(page.path): `\(code)`: there is no option --\(match.2)")
                }
            }
        }
        #expect(unused.isEmpty, "no page names \(unused.sorted())")
    }
}
