/// What is given before a page's commands are run, and which of them are not run, with the reason.
enum DocumentedCommands {
    /// What a page takes for granted: the files that its reader has. Everything is made from the synthetic sample.
    enum Given: Sendable {
        /// `train-volume.tif`, `train-labels.tif`, `test-volume.tif`, `test-labels.tif`.
        case volumes
        /// The same four of three classes: labels 0, 1 and 2.
        case classVolumes
        /// Folders of slices: `slices`, `masks`, `new-slices`, `new-masks`.
        case slices
        /// A finished run, `runs/isbi`, of the volumes.
        case run
        /// A prediction of the test volume, `prediction.tif`; and of three classes labels, `three-labels.tif`, with a prediction, `labels.tif`.
        case prediction
        /// `train.yaml` that trains on the volumes.
        case configuration
        /// `unet_membrane.hdf5`: weights of the Keras program's network, as Keras 2 wrote them.
        case kerasWeights
        /// `unet.safetensors`: weights under PyTorch's names.
        case safetensors
        /// nnU-Net's folders `imagesTr` and `labelsTr`, with `_0000` in the names of images.
        case nnUNet
    }

    static let given: [String: [Given]] = [
        "README.md": [.volumes, .configuration],
        "docs/augmentation.md": [.volumes],
        "docs/augmentation-gallery.md": [.volumes],
        "docs/batch-jobs.md": [.volumes, .configuration],
        "docs/cluster-ssh.md": [.volumes, .configuration],
        "docs/failures.md": [],
        "docs/fine-tuning.md": [.volumes, .run, .kerasWeights, .safetensors],
        "docs/first-hour.md": [.slices],
        "docs/from-keras.md": [.volumes, .slices, .kerasWeights],
        "docs/from-nnunet.md": [.nnUNet],
        "docs/from-pytorch.md": [.volumes, .run, .safetensors],
        "docs/getting-started.md": [.slices],
        "docs/interchange.md": [.volumes, .run, .kerasWeights],
        "docs/predict-and-evaluate.md": [.volumes, .run],
        "docs/prediction.md": [.volumes, .run],
        "docs/scores.md": [.volumes, .prediction],
        "docs/several-classes.md": [],
        "docs/training.md": [.classVolumes],
        "docs/troubleshooting.md": [.volumes, .run],
    ]

    /// Pages of measurements. Their commands take minutes to hours and more than one machine; options are looked up, nothing is run.
    static let measurements = [
        "docs/isbi2012.md", "docs/kernels.md", "docs/performance-avx512.md", "docs/performance.md",
        "docs/reliability.md", "docs/scaling.md",
    ]

    /// Commands that no test can run, or that other tests run. The options of our program are looked up in these, too. A command is meant
    /// that begins with the text; one that no page has any longer fails the test.
    static let exceptions: [(command: String, reason: String)] = [
        ("scripts/demo", "builds the package; what it runs are the commands of the README"),
        ("scripts/test", "runs the tests"),
        ("scripts/install", "builds the package in another way"),
        ("scripts/package", "builds the package in another way"),
        ("UNET_MPI_LIBRARY=mpich scripts/package", "builds the package with another MPI"),
        ("Fuzzing/run", "builds the readers for the fuzzer; HostileFilesTests runs them on its corpora"),
        ("scripts/documentation", "builds the package; ArticleTests.siteIsMadeWithoutWarnings runs the rest of it"),
        ("scripts/gallery", "makes the pictures of the page anew; GalleryTests runs it"),
        ("swift run -c release --package-path", "builds the package; OwnArchitectureTests do"),
        ("apptainer ", "needs Apptainer"),
        ("mpirun -np 8 apptainer", "needs Apptainer"),
        ("srun ", "needs Slurm"),
        ("ssh ", "needs a second host"),
        ("module ", "needs Environment Modules"),
        ("pip install", "fetches packages"),
        ("bioimageio ", "needs bioimageio.core; the long tests of Interchange run it"),
        ("tensorboard ", "a server that does not end; ReaderTests loads its files"),
        ("unet-mpi stop", "needs a run at work; ReproducibilityTests.stoppedByACommand has one"),
    ]
}
