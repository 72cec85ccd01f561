import Foundation
import Kernels
import Testing

/// Against the C library, whose errors are below one unit in the last place.
@Suite struct ElementaryFunctionsTests {
    private func isClose(_ a: Double, _ b: Double, _ units: Double) -> Bool { abs(a - b) <= units * 0x1p-53 * max(abs(b), 0x1p-53) }

    @Test func cosine() {
        for i in 0...4000 {
            let x = Double(i) / 4000
            #expect(abs(ElementaryFunctions.cosine(piTimes: x) - cos(Double.pi * x)) <= 3 * 0x1p-53, "\(x)")
        }
        #expect(ElementaryFunctions.cosine(piTimes: 0) == 1 && ElementaryFunctions.cosine(piTimes: 1) == -1)
        #expect(ElementaryFunctions.cosine(piTimes: 0.5) == 0)
    }

    @Test func logarithmAndExponential() {
        for i in -700...700 {
            let x = Double(i) + 0.37
            #expect(isClose(ElementaryFunctions.exponential(x), exp(x), 6), "exp \(x)")
        }
        for i in 1...3000 {
            for x in [Double(i) / 1000, Double(i) * 1e30, Double(i) * 1e-30] {
                #expect(abs(ElementaryFunctions.logarithm(x) - log(x)) <= 4 * 0x1p-53 * max(1, abs(log(x))), "ln \(x)")
            }
        }
        #expect(ElementaryFunctions.exponential(-2000) == 0 && ElementaryFunctions.exponential(0) == 1)
    }

    @Test func powers() {
        for base in [0.0, 1e-9, 0.1, 0.5, 0.9999, 1] {
            for exponent in [0.1, 0.9, 1, 2, 7.5] {
                #expect(isClose(ElementaryFunctions.power(base, exponent), pow(base, exponent), 300), "\(base)^\(exponent)")
            }
            for exponent in [0, 1, 2, 13] { #expect(isClose(ElementaryFunctions.power(base, exponent), pow(base, Double(exponent)), 16)) }
        }
    }
}
