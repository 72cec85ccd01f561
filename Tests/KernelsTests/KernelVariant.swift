import Kernels
import KernelsAVX512OnAVX2
import Testing

/// The kernels under test: those of each instruction set that this CPU has, and the blocking for AVX-512 (other panels,
/// other register blocks, other groups) in AVX2 instructions.
enum KernelVariant: String, CaseIterable, Sendable, CustomTestStringConvertible {
    case baseline
    case avx2 = "AVX2"
    case avx512 = "AVX-512"
    case avx512OnAVX2 = "AVX-512 blocking in AVX2 instructions"

    var testDescription: String { rawValue }

    /// What the CPU must have.
    var instructionSet: InstructionSet {
        switch self {
        case .baseline: .baseline
        case .avx2, .avx512OnAVX2: .avx2
        case .avx512: .avx512
        }
    }
    var isAvailable: Bool { instructionSet <= .best }
    static var available: [KernelVariant] { allCases.filter(\.isAvailable) }

    func device(threads: Int = 1) -> Device {
        self == .avx512OnAVX2
            ? Device(threads: threads, instructionSet: .avx2, kernels: kernelsAVX512)
            : Device(threads: threads, instructionSet: instructionSet)
    }
}

/// The record of what could not run here: a skipped test in the log names the instruction set.
@Suite struct InstructionSetTests {
    /// One layer of every kind of kernel, so that a test that was not skipped did run the instructions.
    private func check(_ variant: KernelVariant) {
        for c in [
            ConvolutionCase(.winograd4, [64], [64], 9, 9), ConvolutionCase(.winograd6, [64], [64], 9, 9),
            ConvolutionCase(.pointwise, [64], [64], 3, 5),
        ] {
            ConvolutionResults(c, on: variant.device()).expectCorrect(c)
        }
    }

    @Test("baseline kernels run on this CPU") func baseline() { check(.baseline) }
    @Test("AVX2 kernels run on this CPU", .enabled(if: KernelVariant.avx2.isAvailable, "\(InstructionSet.cpuName) has no AVX2 with FMA"))
    func avx2() { check(.avx2) }
    @Test(
        "AVX-512 kernels run on this CPU",
        .enabled(
            if: KernelVariant.avx512.isAvailable,
            "\(InstructionSet.cpuName) has no AVX-512: its kernels were compiled, their machine code inspected, their blocking tested in AVX2"
        ))
    func avx512() { check(.avx512) }

    @Test func names() {
        for set in InstructionSet.allCases { #expect(InstructionSet(name: set.description) == set) }
        #expect(InstructionSet(name: "sse9") == nil)
        #expect(InstructionSet.baseline < .avx2 && InstructionSet.avx2 < .avx512)
        #expect(!InstructionSet.cpuName.isEmpty)
    }

    @Test func selection() throws {
        #expect(try InstructionSet.selected(name: nil) == .best)
        #expect(try InstructionSet.selected(name: "baseline") == .baseline)
        #expect {
            try InstructionSet.selected(name: "avx1024")
        } throws: {
            "\($0)" == "UNET_ISA=avx1024: expected one of baseline, avx2, avx512"
        }
        for set in InstructionSet.allCases {
            if set <= .best {
                #expect(try InstructionSet.selected(name: set.description) == set)
            } else {
                #expect {
                    try InstructionSet.selected(name: set.description)
                } throws: {
                    "\($0)" == "UNET_ISA=\(set): this CPU (\(InstructionSet.cpuName)) has only \(InstructionSet.best)"
                }
            }
        }
    }

    /// The peak is a property of the machine, so only its sanity is tested: no CPU does less than 0.5 or more than 1000 GFLOP/s on one core.
    @Test(arguments: KernelVariant.available) func peak(_ variant: KernelVariant) {
        let peak = variant.device().measurePeak()
        #expect(peak > 0.5 && peak < 1000)
    }
}
