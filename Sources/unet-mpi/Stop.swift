import ArgumentParser
import Foundation
import Training

/// `unet-mpi stop`
struct Stop: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Ends a training cleanly: it saves, and the same command goes on later.",
        discussion: """
            unet-mpi stop runs/isbi
            unet-mpi stop runs/isbi --after 5000
            unet-mpi stop runs/isbi --after 90m

            Leaves a file, halt, in the run folder, which the run looks for before each step; that needs the right to write there, and none to \
            send signals. The run saves, removes the file, and ends with status 0, so that batch scripts do not queue it again. The command \
            does not wait for that. Deleting the file takes the wish back.
            """)

    @Argument(help: ArgumentHelp("Run folder: --output of the training.", valueName: "RUN"), completion: .directory) var folder: String
    @Option(
        help: ArgumentHelp(
            "When so many steps are done, or so much time has passed from now on, as in 45m or 8h. (default: after the current step)",
            valueName: "STEP|TIME"))
    var after: String?
    @OptionGroup var messages: MessageOptions

    private var request: HaltRequest? {
        guard let after else { return HaltRequest() }
        return HaltRequest(after: after, now: Date().timeIntervalSince1970)
    }

    func validate() throws {
        if request == nil {
            throw ValidationError(
                "--after \(after ?? ""): a number of steps, or a time with its unit as in 90s, 45m, 8h, 1d12h or 8:00:00, is allowed")
        }
    }

    func run() throws {
        LauncherRank.leaveUnlessFirst()
        guard let request else { return }
        let owner = try request.leave(inRunFolder: folder)
        messages.logger().notice("asked \(owner) to save and end \(request.text)")
    }
}
