// swift-tools-version: 6.2
import PackageDescription

// What the modules would tell libFuzzer of themselves: CFuzzing hears it first.
let wrapped =
    ["8bit_counters_init", "pcs_init"] + ["cmp", "const_cmp"].flatMap { kind in [1, 2, 4, 8].map { "trace_\(kind)\($0)" } }

// A package of its own, so that nobody who builds unet-mpi builds this. `run` sets UNET_FUZZING, with which the package above compiles what
// reads files for the sanitizer and the fuzzer.
let package = Package(
    name: "Fuzzing",
    dependencies: [.package(name: "unet-mpi", path: "..")],
    targets: [
        .systemLibrary(name: "CLibFuzzer"),
        .target(name: "CFuzzing"),
        .executableTarget(
            name: "fuzz", dependencies: ["CFuzzing", "CLibFuzzer", .product(name: "FuzzTargets", package: "unet-mpi")],
            swiftSettings: [.treatAllWarnings(as: .error)],
            // libFuzzer comes as a library; `fuzz` has a main of its own. The linker gold, Swift's standard on Debian 12, ends here with an internal error.
            // CFuzzing stands between the modules and libFuzzer, and asks the dynamic linker for the names of functions.
            linkerSettings: [
                .unsafeFlags(
                    ["-sanitize=address,fuzzer", "-use-ld=lld"]
                        + (wrapped.map { "--wrap=__sanitizer_cov_\($0)" } + ["--export-dynamic"]).flatMap { ["-Xlinker", $0] })
            ]),
    ]
)
