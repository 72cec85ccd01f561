import ArgumentParser
import Imaging
import Training

/// `unet-mpi report`
struct Report: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Makes one page of a run folder: curves, predictions, scores, times, machines, configuration.",
        discussion: """
            unet-mpi report runs/isbi
            unet-mpi report runs/isbi --output isbi.html --picture isbi.png

            The page is one file that loads nothing, to be looked at in any browser and sent to others. Training writes the same page into the \
            run folder while it goes on; this makes it anew from what the folder holds, also of a run that is still going on or was killed. \
            The page's path is printed.
            """)

    @Argument(help: ArgumentHelp("Run folder: what train --output named.", valueName: "RUN"), completion: .directory) var folder: String
    @Option(help: ArgumentHelp("The page. (default: report.html in the run folder)", valueName: "FILE.html"), completion: .file())
    var output: String?
    @Option(
        help: ArgumentHelp(
            "Also write the picture with the curves and the latest prediction, as progress.png has it.", valueName: "FILE.png"),
        completion: .file())
    var picture: String?

    func run() throws {
        LauncherRank.leaveUnlessFirst()
        let report = try RunReport(folder: folder)
        let path = output ?? RunReport.standardPath(in: folder)
        try report.write(to: path)
        if let picture { try report.writePicture(to: picture) }
        print(path)
    }
}
