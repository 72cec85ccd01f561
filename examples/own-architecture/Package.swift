// swift-tools-version: 6.2
import PackageDescription

let package = Package(
    name: "own-architecture",
    dependencies: [.package(name: "unet-mpi", path: "../..")],
    targets: [
        .executableTarget(
            name: "own-architecture",
            dependencies: [
                .product(name: "Model", package: "unet-mpi"), .product(name: "Kernels", package: "unet-mpi"),
                .product(name: "Imaging", package: "unet-mpi"),
            ]),
        // What the articles of the libraries' documentation quote; they use nothing but what is public.
        .executableTarget(
            name: "documentation-snippets",
            dependencies: [
                .product(name: "Model", package: "unet-mpi"), .product(name: "Kernels", package: "unet-mpi"),
                .product(name: "Imaging", package: "unet-mpi"), .product(name: "DataParallel", package: "unet-mpi"),
            ]),
    ]
)
