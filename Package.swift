// swift-tools-version: 6.2
import PackageDescription

// Every target of ours is built in Swift 6 language mode with warnings as errors.
let strict: [SwiftSetting] = [.treatAllWarnings(as: .error)]

/// For what reads files, when `Fuzzing/run` builds it: the address sanitizer, and a record of which branches are taken.
let fuzzed =
    strict
    + (Context.environment["UNET_FUZZING"] == nil ? [] : [.unsafeFlags(["-sanitize=address,fuzzer", "-Xcc", "-fsanitize=address"])])

/// Without run-time checks, or, where scripts/sanitize looks for undefined behaviour, with them.
let kernelOptimization = Context.environment["UNET_CHECKED_KERNELS"] == nil ? "-Ounchecked" : "-O"

/// The kernel targets hold the same sources (symbolic links to `Sources/KernelsBaseline`), compiled once for each
/// instruction set and chosen at start. Their inner loops carry no run-time checks; everything that reaches them is
/// checked in `Kernels`.
func kernelTarget(_ name: String, define: String, march: [String] = [], path: String? = nil) -> Target {
    .target(
        name: name, dependencies: ["CSIMD"], path: path,
        swiftSettings: strict + [
            .define(define), .unsafeFlags([kernelOptimization] + march.flatMap { ["-Xcc", $0] }),
        ])
}

/// The MPI that is built with, as pkg-config and Debian call it: Open MPI, or MPICH with `UNET_MPI_LIBRARY=mpich`.
let mpi: (pkgConfig: String, package: String) =
    switch Context.environment["UNET_MPI_LIBRARY"] ?? "openmpi" {
    case "openmpi": ("ompi-c", "libopenmpi-dev")
    case "mpich": ("mpich", "libmpich-dev")
    case let other: fatalError("UNET_MPI_LIBRARY=\(other): openmpi and mpich are supported")
    }

let package = Package(
    name: "unet-mpi",
    products: [
        .executable(name: "unet-mpi", targets: ["unet-mpi"]),
        .library(name: "Model", targets: ["Model"]),
        .library(name: "Kernels", targets: ["Kernels"]),
        .library(name: "Imaging", targets: ["Imaging"]),
        .library(name: "DataParallel", targets: ["DataParallel"]),
        .library(name: "FuzzTargets", targets: ["FuzzTargets"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.1"),
        .package(url: "https://github.com/apple/swift-log", from: "1.6.0"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.0.0"),
        .package(url: "https://github.com/apple/swift-protobuf", from: "1.39.0"),
    ],
    targets: [
        // C: only what Swift cannot import or express.
        .target(name: "CSIMD"),
        .systemLibrary(name: "CBLAS", pkgConfig: "openblas", providers: [.apt(["libopenblas-dev"])]),
        .systemLibrary(name: "CTIFF", pkgConfig: "libtiff-4", providers: [.apt(["libtiff-dev"])]),
        .systemLibrary(name: "CHDF5", pkgConfig: "hdf5", providers: [.apt(["libhdf5-dev"])]),
        .systemLibrary(name: "CPNG", pkgConfig: "libpng", providers: [.apt(["libpng-dev"])]),
        .systemLibrary(name: "CMPI", pkgConfig: mpi.pkgConfig, providers: [.apt([mpi.package])]),
        .systemLibrary(name: "CMalloc"),

        // Arithmetic.
        kernelTarget("KernelsBaseline", define: "UNET_BASELINE"),
        kernelTarget("KernelsAVX2", define: "UNET_AVX2", march: ["-march=haswell"]),
        kernelTarget("KernelsAVX512", define: "UNET_AVX512", march: ["-march=skylake-avx512", "-mprefer-vector-width=512"]),
        .target(
            name: "Kernels", dependencies: ["CSIMD", "CBLAS", "KernelsBaseline", "KernelsAVX2", "KernelsAVX512"],
            swiftSettings: strict),
        .target(name: "CounterRandom", swiftSettings: strict),

        // The three libraries that never import each other.
        .target(name: "Model", dependencies: ["Kernels", "CounterRandom"], swiftSettings: strict),
        .target(name: "Imaging", dependencies: ["CTIFF", "CHDF5", "CPNG", "CounterRandom"], swiftSettings: fuzzed),
        // The toolchain already ships a module called Distributed.
        .target(name: "DataParallel", dependencies: ["CMPI", "CSIMD"], path: "Sources/Distributed", swiftSettings: strict),

        // The format of TensorBoard's event files; Event.pb.swift is made of Event.proto by scripts/generate-protobuf.
        .target(
            name: "TensorBoard", dependencies: [.product(name: "SwiftProtobuf", package: "swift-protobuf")], exclude: ["Event.proto"],
            swiftSettings: strict),

        // Networks and weights in the formats of others. ONNX.pb.swift is made of ONNX.proto by scripts/generate-protobuf.
        .target(
            name: "Interchange",
            dependencies: ["Kernels", "Model", "Imaging", .product(name: "SwiftProtobuf", package: "swift-protobuf")],
            exclude: ["ONNX/ONNX.proto"], resources: [.embedInCode("PyTorch/unet.py")], swiftSettings: fuzzed),

        .target(
            name: "Training",
            dependencies: [
                "CMalloc", "Kernels", "Model", "Imaging", "DataParallel", "Interchange", "TensorBoard",
                .product(name: "Yams", package: "Yams"),
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: fuzzed),
        .target(
            name: "Benchmarks", dependencies: ["CounterRandom", "Kernels", "Model", "Imaging", "DataParallel", "Training"],
            swiftSettings: strict),
        .executableTarget(
            name: "unet-mpi",
            dependencies: [
                "Benchmarks", "Training", .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: strict),

        // The source of the package in examples/own-architecture, so that every build and test of ours meets it.
        .executableTarget(
            name: "own-architecture-example", dependencies: ["Model", "Kernels", "Imaging"],
            path: "examples/own-architecture/Sources/own-architecture", swiftSettings: strict),
        // What the articles of the libraries' documentation quote.
        .executableTarget(
            name: "documentation-snippets", dependencies: ["Model", "Kernels", "Imaging", "DataParallel"],
            path: "examples/own-architecture/Sources/documentation-snippets", swiftSettings: strict),

        // Tests. `mpi-checks` holds the checks that run under mpirun; `DistributedTests` starts it on several rank counts.
        .target(name: "TestSupport", path: "Tests/TestSupport", swiftSettings: strict),
        // The readers of strangers' files, each as a function of bytes: for the package in Fuzzing/ and the test that replays its corpora.
        .target(
            name: "FuzzTargets",
            dependencies: ["CHDF5", "DataParallel", "Imaging", "Interchange", "Training", .product(name: "Logging", package: "swift-log")],
            path: "Tests/FuzzTargets", swiftSettings: strict),
        .executableTarget(
            name: "mpi-checks",
            dependencies: [
                "CounterRandom", "DataParallel", "Imaging", "Kernels", "Model", "Training", .product(name: "Logging", package: "swift-log"),
            ], path: "Tests/mpi-checks", swiftSettings: strict),
        .target(name: "CMallocCounter", path: "Tests/CMallocCounter"),
        // The blocking for AVX-512 in AVX2 instructions, so that it is tested on CPUs that lack AVX-512.
        kernelTarget("KernelsAVX512OnAVX2", define: "UNET_AVX512", march: ["-march=haswell"], path: "Tests/KernelsAVX512OnAVX2"),
        .testTarget(
            name: "KernelsTests", dependencies: ["Kernels", "KernelsAVX512OnAVX2", "CMallocCounter", "CounterRandom", "TestSupport"],
            swiftSettings: strict),
        .testTarget(
            name: "ModelTests", dependencies: ["Model", "Kernels", "CMallocCounter", "CounterRandom", "Imaging", "TestSupport"],
            resources: [.copy("Fixtures")], swiftSettings: strict),
        .testTarget(
            name: "ImagingTests", dependencies: ["Imaging", "CounterRandom", "TestSupport"], resources: [.copy("Fixtures")],
            swiftSettings: strict),
        .testTarget(name: "DistributedTests", dependencies: ["DataParallel", "mpi-checks", "TestSupport"], swiftSettings: strict),
        .testTarget(
            name: "BenchmarksTests",
            dependencies: [
                "Benchmarks", "CSIMD", "DataParallel", "Kernels", "KernelsBaseline", "Model", "Training", "unet-mpi", "TestSupport",
            ],
            swiftSettings: strict),
        .testTarget(
            name: "DocumentationTests",
            dependencies: ["unet-mpi", "Imaging", "own-architecture-example", "documentation-snippets", "TestSupport"],
            swiftSettings: strict),
        .testTarget(
            name: "InterchangeTests", dependencies: ["Interchange", "Training", "Model", "Kernels", "Imaging", "unet-mpi", "TestSupport"],
            exclude: ["readers"], swiftSettings: strict),
        .testTarget(
            name: "TrainingTests",
            dependencies: ["Training", "TensorBoard", "Imaging", "FuzzTargets", "unet-mpi", "own-architecture-example", "TestSupport"],
            resources: [.copy("Fixtures")], swiftSettings: strict),
    ]
)
