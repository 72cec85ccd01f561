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
            ])
    ]
)
