import ArgumentParser
import DataParallel
import Foundation
import Imaging
import Training

/// `unet-mpi evaluate`
struct Evaluate: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Scores a prediction against labels.",
        discussion: """
            unet-mpi evaluate --prediction prediction.tif --labels test-labels.tif \\
                --csv scores.csv --plot scores.png

            Pixel accuracy, Dice, IoU and the Hausdorff distance (of the foreground, in pixels) are taken at probability 0.5. The others are \
            those of the ISBI 2012 challenge, each at the best of the thresholds 0, 0.1 to 1, which is given too. Pixel error: 1 minus the \
            F-score of the foreground. Rand error: 1 minus the foreground-restricted Rand F-score of the 4-connected components. V-Rand and \
            V-Info: Rand and information F-scores after thinning, means over the pages; merge falls when segments are merged, split when \
            they are split. Warping error: share of the pixels that split or merge segments. docs/scores.md has the definitions.

            With --classes the scores are those of several classes: accuracy, Dice, IoU, precision and recall of each class, the means of Dice \
            and IoU, and the confusion matrix. The prediction has a channel of probabilities for each class, or one of label values.

            Pages are shared among the ranks, and the work on a page among the threads; the scores do not depend on either.
            """)

    @Option(help: ArgumentHelp("Volume of probabilities (0 to 1) or masks.", valueName: "PATH"), completion: .file()) var prediction: String
    @Option(help: ArgumentHelp("Volume of labels.", valueName: "PATH"), completion: .file()) var labels: String
    @Option(
        help: ArgumentHelp(
            "Score these classes, as in background=0,cell=1,ignore=255, or those of a training's configuration.yaml, instead of a foreground.",
            valueName: "NAME=VALUE,...|FILE.yaml"))
    var classes: String?
    @Flag(help: "One JSON object, with each page and each threshold, instead of a table.") var json = false
    @Option(
        help: ArgumentHelp("Table to write: each threshold, for all pages together and for each.", valueName: "FILE.csv"),
        completion: .file())
    var csv: String?
    @Option(help: ArgumentHelp("PNG to write: the scores over the thresholds.", valueName: "FILE.png"), completion: .file()) var plot:
        String?
    @Option(
        help: ArgumentHelp(
            "PNG to write: image (with --images), truth and prediction side by side, for some pages.", valueName: "FILE.png"),
        completion: .file()
    )
    var picture: String?
    @Option(help: ArgumentHelp("Volume of images, for --picture.", valueName: "PATH"), completion: .file()) var images: String?
    @OptionGroup var limit: ImageLimitOptions
    @OptionGroup var threads: ThreadOptions

    func validate() throws {
        if images != nil && picture == nil { throw ValidationError("--images is for --picture, which is missing") }
        if classes != nil && plot != nil {
            throw ValidationError(
                "--plot draws scores of a foreground over thresholds, which several --classes do not have; --csv has theirs")
        }
    }

    func run() {
        runOnAllRanks { communicator in
            if let classes { return try score(classes, communicator) }
            let scores = try Evaluation(prediction: prediction, labels: labels, threads: threads.count).run(communicator: communicator)
            if communicator.rank == 0 {
                if let picture { try Comparison(images: images, labels: labels, prediction: prediction).write(to: picture) }
                if let plot { try ScorePlot(scores).write(to: plot) }
                let report = ScoreReport(scores)
                if let csv { try report.write(csv: csv) }
                print(json ? report.json : report.table, terminator: json ? "\n" : "")
            }
            return 0
        }
    }

    /// Scores several classes. Returns the exit status.
    private func score(_ argument: String, _ communicator: Communicator) throws -> Int32 {
        let classes = try communicator.agree("reading the classes") { try LabelClasses(argument: argument) }
        let scores = try ClassEvaluation(prediction: prediction, labels: labels, classes: classes).run(communicator: communicator)
        if communicator.rank == 0 {
            if let picture { try Comparison(images: images, labels: labels, prediction: prediction, classes: classes).write(to: picture) }
            let report = ClassScoreReport(scores, classes)
            if let csv { try report.write(csv: csv) }
            print(json ? report.json : report.table, terminator: json ? "\n" : "")
        }
        return 0
    }
}
