// swift-tools-version:5.9
import PackageDescription

// An app links one of the two products: `ShiftformerGPU` has everything that `Shiftformer` has.
let package = Package(
    name: "Shiftformer",
    platforms: [.iOS(.v13), .macOS(.v11)],
    products: [
        .library(name: "Shiftformer", targets: ["Shiftformer"]),
        .library(name: "ShiftformerGPU", targets: ["ShiftformerGPU"]),
    ],
    targets: [
        .target(name: "Shiftformer", dependencies: ["ShiftformerLibrary"]),
        .binaryTarget(name: "ShiftformerLibrary", path: "Shiftformer.xcframework"),
        .target(
            name: "ShiftformerGPU",
            dependencies: ["ShiftformerGPULibrary"],
            linkerSettings: [
                .linkedFramework("CoreGraphics"),
                .linkedFramework("Foundation"),
                .linkedFramework("Metal"),
                .linkedFramework("QuartzCore"),
            ]
        ),
        .binaryTarget(name: "ShiftformerGPULibrary", path: "ShiftformerGPU.xcframework"),
    ]
)
