import Foundation
import Imaging
import Yams

extension TrainingOption {
    /// Every option, in the order of the help.
    public static let all = sections.flatMap(\.options)

    /// The same in their sections.
    static let sections: [(title: String, options: [TrainingOption])] = [
        ("Data and results", data), ("Samples and length of the run", sampling), ("Network", network), ("Optimization", optimization),
        ("What the run keeps", run), ("Time and faults", faults), ("Computation", computation), ("Going on", resumption),
    ]

    /// What is trained on, and where the results go.
    private static let data: [TrainingOption] = [
        volumes(
            "images", \.images,
            "Volume of images: multi-page TIFF, NPY, HDF5 as FILE.h5:/DATASET, or a folder of slices. May be given several times."),
        volumes(
            "labels", \.labels,
            "Volume of labels: two values, the higher one is the foreground, or --classes; one for each of --images, as many pages."),
        classes,
        choice(
            "normalization", \.imageNormalization, { ["type-range", "slice", "volume"] },
            "What is done to pixel values: division by the largest of their type; or mean 0 and deviation 1 of each slice or volume."),
        integer(
            "validation", \.validation, 0...1_000_000, decidesBits: true, "Slices held out for validation: the last ones of the volume."),
        optionalVolumes("validation-images", \.validationImages, "Volume of images to validate on, instead of held-out slices."),
        optionalVolumes("validation-labels", \.validationLabels, "Labels of --validation-images."),
        TrainingOption(
            name: "fold", placeholder: "none|K/N",
            explanation: "Cross-validation: validate on the k-th of n equal parts of the volume, train on the others.", decidesBits: true,
            set: { configuration, node throws(Refusal) in
                if node.string == "none" {
                    configuration.fold = nil
                    return
                }
                guard let fold = node.string.flatMap({ Fold($0) }) else {
                    throw Refusal(allowed: "none or a part as in 2/5, from 1/5 to 5/5, is allowed")
                }
                configuration.fold = fold
            }, get: { YAMLNode($0.fold.map { "\($0)" } ?? "none") }),
        integer("max-image-pixels", \.maximumImagePixels, 1...1 << 40, ImageLimit.explanation),
        path("output", \.output, "Run folder: configuration, log and checkpoints."),
    ]

    /// How long, and on which samples.
    private static let sampling: [TrainingOption] = [
        length("epochs", \.epochs, clears: \.steps, "Passes over the training slices, in all."),
        length("steps", \.steps, clears: \.epochs, "Updates in all, instead of --epochs."),
        integer(
            "batch-size", \.batchSize, 1...65_536, decidesBits: true,
            "Samples in an update over all ranks: the result does not depend on the number of ranks."),
        TrainingOption(
            name: "crop", placeholder: "N|HxW|full", explanation: "Part of a slice that a sample shows, in pixels: a multiple of 2^depth.",
            decidesBits: true,
            set: { configuration, node throws(Refusal) in
                guard let crop = node.string.flatMap({ Crop($0) }) else {
                    throw Refusal(allowed: "full, a side as in 256, or height x width as in 192x256 is allowed")
                }
                configuration.crop = crop
            }, get: { YAMLNode("\($0.crop)") }),
        integer("crops-per-slice", \.cropsPerSlice, 1...1_000_000, decidesBits: true, "Samples drawn from each slice in an epoch."),
        TrainingOption(
            name: "augment", placeholder: AugmentationConfiguration.presets.map(\.name).joined(separator: "|"),
            explanation:
                "How samples are varied: flips and turns (light), also affine maps and deformation (standard), everything (strong); a mapping in YAML sets each range.",
            decidesBits: true,
            set: { configuration, node throws(Refusal) in configuration.augment = try augmentation(node) },
            get: { augmentationNode($0.augment) }),
    ]

    /// The network.
    private static let network: [TrainingOption] = [
        choice("architecture", \.architecture, { architectureNames }, "Network."),
        integer(
            "base-channels", \.baseChannels, 1...1024, decidesBits: true, "Channels of the first level; each level below has twice as many."
        ),
        integer("depth", \.depth, 1...8, decidesBits: true, "Poolings from the first level to the deepest."),
        choice(
            "decoder", \.decoder, { decoders },
            "How the way up enlarges: nearest-neighbour upsampling and a 2x2 convolution, or a transposed 2x2 convolution."),
        choice(
            "norm", \.normalization, { normalizations },
            "What lies between a convolution and its ReLU; batch: statistics over the whole batch, whatever the number of ranks."),
        number("dropout", \.dropout, 0..<1, "Probability of dropping an element after the two deepest levels of the encoder."),
    ]

    /// What is minimised, and how.
    private static let optimization: [TrainingOption] = [
        initialWeights, skippedWeights,
        choice(
            "optimizer", \.optimizer, { ["adam", "adamw", "sgd"] },
            "Adam, Adam with decoupled weight decay, or stochastic gradient descent with momentum."),
        number("beta1", \.beta1, 0..<1, "Decay of Adam's mean of the gradient."),
        number("beta2", \.beta2, 0..<1, "Decay of Adam's mean of the squared gradient."),
        number(
            "epsilon", \.epsilon, Double.leastNonzeroMagnitude..<1, or: "auto",
            "What Adam adds to its denominator; auto: 1e-8, with --epsilon-convention keras 1e-7."),
        choice(
            "epsilon-convention", \.epsilonConvention, { epsilonConventions },
            "Whether epsilon is added to the bias-corrected root, as in PyTorch, or to the raw one, as in Keras."),
        number("momentum", \.momentum, 0..<1, "Momentum of sgd; that of the U-Net paper by default."),
        flag("nesterov", \.isNesterov, decidesBits: true, "Nesterov's momentum for sgd."),
        number(
            "weight-decay", \.weightDecay, 0..<10, or: "auto",
            "Pull of all parameters towards zero: added to the gradient by adam and sgd, beside it by adamw; auto: 0, with adamw 0.01."),
        number(
            "clip-norm", \.clipNorm, Double.leastNonzeroMagnitude..<Double.infinity, or: "none",
            "Scale the gradient of a step down to this norm where its norm over all parameters is larger."),
        number(
            "weight-averaging", \.weightAveraging, 0..<1,
            "Decay of a moving average of the parameters, 0.999 for example, which is validated and predicted with; 0: no average."),
        number(
            "learning-rate", \.learningRate, Double.leastNonzeroMagnitude..<10,
            "Step size of the optimizer: the highest where --learning-rate-schedule changes it."),
        choice(
            "learning-rate-schedule", \.learningRateSchedule, { ["constant", "step", "cosine", "polynomial"] },
            "How the learning rate changes with the step."),
        integer(
            "warmup-steps", \.warmupSteps, 0...1_000_000_000, decidesBits: true,
            "First steps, in which the learning rate rises linearly from zero."),
        TrainingOption(
            name: "decay-steps", placeholder: "auto|N",
            explanation: "Step at which cosine and polynomial reach --final-learning-rate; auto: the last one of --steps or --epochs.",
            decidesBits: true,
            set: { configuration, node throws(Refusal) in
                configuration.decaySteps = node.string == "auto" ? nil : try integer(node, in: 1...1_000_000_000, or: "auto or ")
            }, get: { YAMLNode($0.decaySteps.map { "\($0)" } ?? "auto") }),
        number("final-learning-rate", \.finalLearningRate, 0..<10, "Learning rate that cosine and polynomial end at."),
        number(
            "decay-power", \.decayPower, Double.leastNonzeroMagnitude..<100,
            "Exponent of polynomial; 1 is a straight line."),
        integer("decay-every", \.decayEvery, 1...1_000_000_000, decidesBits: true, "Steps between two falls of the schedule step."),
        number(
            "decay-factor", \.decayFactor, Double.leastNonzeroMagnitude..<1, "What each fall of the schedule step multiplies the rate by."),
        choice(
            "learning-rate-scaling", \.learningRateScaling, { learningRateScalings },
            "Multiply the learning rate by --batch-size over --reference-batch-size, or by the root of it."),
        integer(
            "reference-batch-size", \.referenceBatchSize, 1...65_536, decidesBits: true,
            "Batch size that --learning-rate was chosen for; for --learning-rate-scaling."),
        choice(
            "loss", \.loss, { TrainingConfiguration.losses },
            "Binary cross-entropy, the same with the classes of a sample weighing alike, Dice, cross-entropy and Dice, or focal; with --classes bce is cross-entropy."
        ),
        number("focal-gamma", \.focalGamma, 0..<20, "How much less the focal loss weighs pixels that are right already."),
        number(
            "focal-alpha", \.focalAlpha, Double.leastNonzeroMagnitude..<1, or: "none",
            "Weight of the foreground in the focal loss, that of the background being 1 minus it; none: both weigh 1."),
        number(
            "border-weight", \.borderWeight, 0..<1e6,
            "Weight in the cross-entropy of the background between objects that touch, as in the U-Net paper, where it is 10; 0: none."),
        number(
            "border-sigma", \.borderSigma, Double.leastNonzeroMagnitude..<1000,
            "Width in pixels over which the border weight falls, as in the U-Net paper."),
    ]

    /// The run and what it keeps.
    private static let run: [TrainingOption] = [
        TrainingOption(
            name: "seed", placeholder: "N", explanation: "Seed of every random decision.", decidesBits: true,
            set: { configuration, node throws(Refusal) in
                guard let value = node.string.flatMap(UInt64.init) else {
                    throw Refusal(allowed: "an integer from 0 to \(UInt64.max) is allowed")
                }
                configuration.seed = value
            }, get: { YAMLNode("\($0.seed)") }),
        integer("checkpoint-every", \.checkpointEvery, 1...Int.max, "Steps from checkpoint to checkpoint; the last step always makes one."),
        integer("validate-every", \.validateEvery, 1...Int.max, "Steps from validation to validation; the last step always validates."),
        integer(
            "segmentation-scores-every", \.segmentationScoresEvery, 0...Int.max,
            "Steps from one validation that scores segments too (V-Rand, V-Info, Rand and warping error) to the next, and after the last step; 0: never."
        ),
        TrainingOption(
            name: "best-metric", placeholder: ValidationMetric.names.joined(separator: "|"),
            explanation:
                "Score of the validation that makes best.h5, with --classes also dice_NAME and iou_NAME of a class; without validation it is the training loss.",
            decidesBits: false,
            set: { configuration, node throws(Refusal) in
                guard let value = node.string, ValidationMetric(value) != nil else {
                    throw Refusal(
                        allowed: "\(ValidationMetric.names.joined(separator: " or ")), or dice_ or iou_ and the name of a class is allowed")
                }
                configuration.bestMetric = value
            }, get: { YAMLNode($0.bestMetric) }),
        integer(
            "early-stopping", \.earlyStopping, 0...1_000_000_000,
            "End the run after so many validations without a better --best-metric; 0: never."),
        integer("keep", \.keep, 2...1_000_000, "Newest checkpoints to keep, beside the best one."),
        toggle(
            "report", \.writesReport,
            "Whether previews/, progress.png and report.html in the run folder are drawn anew at validations and checkpoints, in at most a hundredth of the time."
        ),
        toggle("tensorboard", \.writesTensorBoard, "Whether event files for TensorBoard are written into the run folder."),
    ]

    /// How it is computed.
    private static let computation: [TrainingOption] = [
        choice(
            "convolution", \.convolution, { convolutionMethods },
            "Convolutions by the fastest algorithm for each shape, or directly: slower by far, to compare with."),
        choice(
            "memory", \.memory, { memoryModes }, decidesBits: false,
            "low: keep the activations of one sample of a rank's batch instead of all, as --accumulate does with a part for each sample."),
        integer(
            "accumulate", \.accumulate, 1...65_536,
            "Parts that each rank's share of the batch is worked in, one after the other, so that only one takes memory; the result does not depend on it."
        ),
        choice(
            "reduction", \.reduction, { reductionMethods },
            "How gradients are summed over the ranks. reproducible: the same bits at any number of ranks. fast: by MPI's allreduce; fast-bf16: sent as bfloat16, half the bytes; neither promises the bits."
        ),
        TrainingOption(
            name: "threads", placeholder: "auto|N",
            explanation: "Threads of each rank; auto: the cores of its affinity mask, shared with the ranks that have the same.",
            decidesBits: false,
            set: { configuration, node throws(Refusal) in
                if node.string == "auto" {
                    configuration.threads = nil
                    return
                }
                configuration.threads = try integer(node, in: 1...4096, or: "auto or ")
            }, get: { YAMLNode($0.threads.map { "\($0)" } ?? "auto") }),
        integer(
            "cache-mib", \.cacheMebibytes, 0...1 << 24,
            "Memory of each rank for decoded slices, in MiB, and as much for those held out; what does not fit is read again when needed."),
        integer(
            "bucket-mib", \.bucketMebibytes, 1...1024,
            "Gradients that are sent together while backward still runs, at least, in MiB; the result does not depend on it."),
    ]

    /// Where to go on from.
    private static let resumption: [TrainingOption] = [
        TrainingOption(
            name: "resume", placeholder: "auto|never|PATH",
            explanation:
                "Where to go on from: the newest checkpoint of the run folder, nothing, or a checkpoint to start a new run folder from.",
            decidesBits: false,
            set: { configuration, node throws(Refusal) in
                switch node.string {
                case "auto": configuration.resume = .automatic
                case "never": configuration.resume = .never
                case .some(let path) where !path.isEmpty: configuration.resume = .checkpoint(path)
                default: throw Refusal(allowed: "auto, never or a checkpoint's path is allowed")
                }
            },
            get: {
                switch $0.resume {
                case .automatic: YAMLNode("auto")
                case .never: YAMLNode("never")
                case .checkpoint(let path): YAMLNode(path)
                }
            }),
        flag(
            "accept-changes", \.acceptChanges, decidesBits: false,
            "Go on though the data or the configuration differ from the checkpoint's."),
    ]
}
