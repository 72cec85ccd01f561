import ArgumentParser
import Foundation
import Training

/// `unet-mpi evaluate`
struct Evaluate: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Scores a prediction against labels.",
        discussion: """
            unet-mpi evaluate --prediction prediction.tif --labels test-labels.tif --images test-volume.tif --picture prediction.png

            Pixel accuracy, Dice and IoU are taken at probability 0.5. The pixel error is that of the ISBI 2012 challenge: 1 minus the largest \
            F-score of the foreground over the thresholds 0, 0.1 … 1; the threshold that reaches it is given too.
            """)

    @Option(help: ArgumentHelp("Volume of probabilities (0 to 1) or masks.", valueName: "PATH")) var prediction: String
    @Option(help: ArgumentHelp("Volume of labels.", valueName: "PATH")) var labels: String
    @Flag(help: "One JSON object instead of a table.") var json = false
    @Option(
        help: ArgumentHelp("PNG to write: image (with --images), truth and prediction side by side, for some pages.", valueName: "FILE.png")
    )
    var picture: String?
    @Option(help: ArgumentHelp("Volume of images, for --picture.", valueName: "PATH")) var images: String?

    func validate() throws {
        if images != nil && picture == nil { throw ValidationError("--images is for --picture, which is missing") }
    }

    func run() {
        runOnAllRanks { communicator in
            let scores = try Evaluation(prediction: prediction, labels: labels).run(communicator: communicator)
            if communicator.rank == 0 {
                if let picture { try Comparison(images: images, labels: labels, prediction: prediction).write(to: picture) }
                let rows = [
                    ("pixel_accuracy", scores.pixelAccuracy), ("pixel_error", scores.pixelError), ("dice", scores.dice),
                    ("iou", scores.iou),
                    ("threshold", scores.bestThreshold),
                ]
                if json {
                    print("{" + rows.map { "\"\($0.0)\": \($0.1)" }.joined(separator: ", ") + "}")
                } else {
                    for (name, value) in rows {
                        print(
                            name.replacingOccurrences(of: "_", with: " ").padding(toLength: 16, withPad: " ", startingAt: 0)
                                + fixed(value, 4))
                    }
                }
            }
            return 0
        }
    }
}
