import Foundation
import Testing
import Training

@Suite struct ConfigurationTests {
    let folder = TemporaryFolder()
    let required = [("images", "a.tif"), ("labels", "b.tif"), ("output", "run")]

    func configuration(_ yaml: String, _ options: [(String, String)] = []) throws -> TrainingConfiguration {
        let path = folder.file("c.yaml", yaml)
        return try TrainingConfiguration(file: path, options: (required + options).map { (name: $0.0, value: $0.1) })
    }

    func refusal(_ yaml: String, _ options: [(String, String)] = []) -> String {
        do {
            _ = try configuration(yaml, options)
            return "accepted"
        } catch { return "\(error)" }
    }

    @Test func optionsWinOverTheFile() throws {
        let c = try configuration("batch-size: 4\nseed: 7\nepochs: 3\n", [("batch-size", "6"), ("steps", "20")])
        #expect(c.batchSize == 6 && c.seed == 7 && c.steps == 20 && c.epochs == nil)
    }

    @Test func whatIsWrittenReadsBack() throws {
        let c = try configuration(
            """
            crop: 192x256
            augment:
              rotation: { degrees: 5, probability: 1 }
              flips: {}
            learning-rate: 3e-05
            threads: 3
            time-limit: 1-00:30:00
            stall-timeout: 90s
            resume: old run/checkpoints/step-00000100.h5
            accept-changes: true
            validation-images: "v: 1.tif"
            validation-labels: '#l.tif'
            seed: 18446744073709551615
            """)
        let path = folder.file("again.yaml", c.yaml)
        #expect(try TrainingConfiguration(file: path, options: []) == c)
        for preset in ["none", "standard"] {
            let c = try configuration("augment: \(preset)")
            #expect(try TrainingConfiguration(file: folder.file("again.yaml", c.yaml), options: []) == c)
        }
    }

    /// Fifteen digits, which are enough to read, are another number: a run with the configuration that was saved would be another run.
    @Test(arguments: [1.0 / 3, 0.1.nextUp, 0.918446744073709551615, 179.99999999999997, 20, 1e-5.nextUp, .leastNonzeroMagnitude])
    func numbersAreWrittenWithAllTheirDigits(_ number: Double) throws {
        let c = try configuration("augment: { rotation: { degrees: \(number) } }")
        #expect(c.augment.rotation?.degrees == number)
        #expect(c.yaml.contains("degrees: \(number)\n"))
        #expect(try TrainingConfiguration(file: folder.file("again.yaml", c.yaml), options: []) == c)
    }

    @Test func unknownOptionIsNamedWithTheNearestOne() {
        #expect(refusal("seed: 1\nbatchsize: 4\n").hasSuffix("c.yaml, line 2: unknown option 'batchsize'; did you mean 'batch-size'?"))
        #expect(refusal("learning_rate: 4\n").hasSuffix("did you mean 'learning-rate'?"))
        #expect(refusal("kep: 4\n").hasSuffix("did you mean 'keep'?"))
        #expect(refusal("zzzzzz: 4\n").contains("known are images, labels"))
    }

    @Test(arguments: [
        ("batch-size", "0", "from 1 to 65536"), ("batch-size", "4.5", "an integer"), ("learning-rate", "0", "above 0"),
        ("learning-rate", "nan", "above 0"), ("dropout", "1", "below 1.0"), ("crop", "0", "full"), ("crop", "64x", "full"),
        ("threads", "many", "auto or"), ("bucket-mib", "0", "from 1 to 1024"),
        ("seed", "-1", "an integer from 0"), ("architecture", "unett", "unet-keras"), ("keep", "1", "from 2"),
        ("augment", "strongest", "standard"), ("convolution", "winograd", "auto or direct"), ("memory", "none", "fast or low"),
        ("time-limit", "90", "with its unit"), ("time-limit", "0s", "auto, none or"), ("stall-timeout", "1s", "from 2s"),
        ("stall-timeout", "none", "90s"), ("on-nonfinite", "ignore", "stop or skip"), ("on-collapse", "no", "stop or warn"),
        ("steps", "0", "from 1"), ("optimizer", "lion", "adam or adamw or sgd"), ("beta1", "1", "below 1.0"),
        ("epsilon", "0", "auto or a number above 0"), ("clip-norm", "0", "none or a number above 0"), ("weight-decay", "-1", "auto or"),
        ("momentum", "1", "below 1.0"), ("nesterov", "perhaps", "true or false"), ("weight-averaging", "1", "below 1.0"),
        ("learning-rate-schedule", "linear", "cosine or polynomial"), ("decay-steps", "0", "auto or an integer from 1"),
        ("decay-factor", "0", "above 0"), ("fold", "0/3", "none or a part"), ("fold", "4/3", "2/5"), ("fold", "1/1", "2/5"),
        ("fold", "1", "2/5"),
        ("best-metric", "training-loss", "accuracy or dice"), ("early-stopping", "-1", "from 0"), ("loss", "mse", "bce or weighted-bce"),
        ("focal-gamma", "-1", "from 0.0"),
        ("focal-alpha", "1", "none or a number above 0"), ("border-weight", "-1", "from 0.0"), ("border-sigma", "0", "above 0"),
        ("learning-rate-scaling", "yes", "none or linear or sqrt"),
        ("checkpoint-every", "0", "of at least 1"), ("crop", "100", "multiple of 16"),
    ])
    func refusedValues(_ name: String, _ value: String, _ allowed: String) throws {
        for (yaml, options) in [("\(name): \(value)", []), ("", [(name, value)])] {
            let text = refusal(yaml, options)
            #expect(text.contains(name) && text.contains(allowed) && !text.contains("\n"), "\(text)")
        }
        #expect(throws: TrainingError.self) { try configuration("", [(name, value)]) }
    }

    @Test func contradictionsAreRefused() {
        #expect(refusal("validation-images: v.tif").contains("need each other"))
        #expect(refusal("validation: 2\nvalidation-images: v.tif\nvalidation-labels: l.tif").contains("contradicts"))
        #expect(throws: TrainingError.self) { try TrainingConfiguration(file: nil, options: []) }
        #expect(refusal("decay-steps: 5").contains("cosine or polynomial"))
        #expect(refusal("learning-rate-schedule: cosine\ndecay-steps: 5\nwarmup-steps: 5").contains("must end before"))
        #expect(refusal("learning-rate-schedule: cosine\nfinal-learning-rate: 0.1").contains("above the learning rate"))
        #expect(refusal("fold: 1/3\nvalidation: 2").contains("contradicts"))
        #expect(refusal("fold: 1/3\nvalidation-images: v.tif\nvalidation-labels: l.tif").contains("contradicts"))
        #expect(refusal("best-metric: v_rand").contains("--segmentation-scores-every"))
        #expect(refusal("early-stopping: 3").contains("--fold"))
        #expect(refusal("focal-alpha: 0.3").contains("--loss focal"))
        #expect(refusal("loss: dice\nborder-weight: 10").contains("bce-dice has both"))
        #expect(refusal("nesterov: true").contains("--optimizer sgd"))
        #expect(refusal("nesterov: true\noptimizer: sgd\nmomentum: 0").contains("above 0"))
    }

    /// The learning rate is scaled before it is compared and warmed up.
    @Test func learningRates() throws {
        let c = try configuration(
            """
            learning-rate: 0.01
            batch-size: 32
            reference-batch-size: 8
            learning-rate-scaling: linear
            warmup-steps: 4
            learning-rate-schedule: polynomial
            decay-power: 1
            decay-steps: 14
            final-learning-rate: 0.02
            """)
        let rates = c.learningRates
        for (step, rate) in [(1, 0.01), (4, 0.04), (5, 0.04), (10, 0.03), (15, 0.02), (100, 0.02)] {
            #expect(abs(rates.rate(at: step) - rate) < 1e-15, "step \(step): \(rates.rate(at: step))")
        }
    }

    @Test func brokenFiles() {
        #expect(refusal("a: [1").contains("not valid YAML"))
        #expect(refusal("- 1\n- 2\n").contains("expected lines"))
        #expect(refusal("seed: 1\nseed: 2\n").contains("c.yaml"))
        #expect(refusal("augment: { rotatoin: { degrees: 3 } }").contains("rotatoin"))
        #expect(refusal("augment: { rotation: { degrees: 300 } }").contains("rotation.degrees"))
        #expect(throws: Never.self) { try configuration("# nothing\n") }
        #expect {
            try TrainingConfiguration(file: folder.path + "/none.yaml", options: [])
        } throws: { ($0 as? TrainingError)?.kind == .missing }
    }

    @Test func fingerprintCoversWhatDecidesTheBitsAndNothingElse() throws {
        let base = try configuration("")
        let same = [
            ("accumulate", "2"), ("report", "false"), ("tensorboard", "false"),
            ("images", "x"), ("labels", "x"), ("output", "x"), ("epochs", "9"), ("steps", "9"), ("checkpoint-every", "9"),
            ("validate-every", "9"), ("segmentation-scores-every", "9"), ("keep", "9"), ("best-metric", "dice"),
            ("threads", "2"), ("bucket-mib", "7"), ("verify-every", "9"), ("resume", "never"), ("accept-changes", "true"),
            ("memory", "low"),
            ("time-limit", "8h"), ("stall-timeout", "5m"), ("on-nonfinite", "skip"), ("on-collapse", "warn"),
            ("cache-mib", "512"), ("max-image-pixels", "1000000"),
        ]
        let different = [
            ("batch-size", "4"), ("crop", "128"), ("crops-per-slice", "2"), ("augment", "none"), ("architecture", "unet-keras"),
            ("base-channels", "8"),
            ("depth", "3"), ("dropout", "0.25"), ("learning-rate", "0.001"), ("seed", "1"), ("validation", "2"), ("convolution", "direct"),
            ("fold", "2/3"), ("loss", "dice"), ("focal-gamma", "1"), ("border-weight", "10"), ("border-sigma", "3"),
            ("optimizer", "sgd"), ("beta1", "0.8"), ("beta2", "0.99"), ("epsilon", "1e-6"), ("epsilon-convention", "keras"),
            ("momentum", "0.9"), ("weight-decay", "0.1"), ("clip-norm", "1"), ("weight-averaging", "0.99"),
            ("learning-rate-schedule", "step"), ("warmup-steps", "3"), ("final-learning-rate", "0.0001"), ("decay-power", "2"),
            ("decay-every", "7"), ("decay-factor", "0.5"), ("learning-rate-scaling", "sqrt"), ("reference-batch-size", "4"),
            ("reduction", "fast"), ("normalization", "slice"), ("decoder", "transpose"), ("norm", "group"),
            ("initial-weights", "weights.onnx"),
        ]
        for option in same {
            let changed = try configuration("", [option])
            #expect(changed.fingerprint == base.fingerprint && changed.differences(from: base).isEmpty, "\(option)")
        }
        for option in different {
            let changed = try configuration("", [option])
            #expect(changed.fingerprint != base.fingerprint, "\(option)")
            #expect(
                changed.differences(from: base).count == 1 && changed.differences(from: base)[0].hasPrefix("\(option.0): "), "\(option)")
        }
        // Every option is in one of the two lists, or has only one value yet, or needs a partner.
        let named = Set(
            (same + different).map(\.0) + [
                "validation-images", "validation-labels", "focal-alpha", "decay-steps", "nesterov", "early-stopping",
                "classes", "skip-weights",
            ])
        #expect(Set(TrainingOption.all.map(\.name)) == named)
        #expect(
            try configuration("learning-rate-schedule: cosine\ndecay-steps: 9").differences(
                from: configuration("learning-rate-schedule: cosine")) == ["decay-steps: 9, was auto"])
        #expect(try configuration("validation: 1\nearly-stopping: 3").fingerprint == configuration("validation: 1").fingerprint)
        #expect(
            try configuration("loss: focal\nfocal-alpha: 0.25").differences(from: configuration("loss: focal")) == [
                "focal-alpha: 0.25, was none"
            ])
        #expect(
            try configuration("optimizer: sgd\nnesterov: true").differences(from: configuration("optimizer: sgd")) == [
                "nesterov: true, was false"
            ])
        // Classes also give the cross-entropy its name.
        #expect(try configuration("classes: a=0,b=1").differences(from: base).map { $0.prefix { $0 != ":" } } == ["classes", "loss"])
        #expect(try configuration("batch-size: 4").differences(from: base) == ["batch-size: 4, was 8"])
    }
}
