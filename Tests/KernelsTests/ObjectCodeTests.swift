import Foundation
import Testing

/// What the compiler made of the kernels, seen through binutils. A missing tool or object file fails these tests.
@Suite struct ObjectCodeTests {
    static let modules = ["KernelsBaseline", "KernelsAVX2", "KernelsAVX512"]

    private struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    /// The module's object files, beside the test executable in the build folder.
    private func objects(_ module: String) throws -> [String] {
        let executable = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        let folder = URL(fileURLWithPath: executable).deletingLastPathComponent().appendingPathComponent("\(module).build")
        let files = try FileManager.default.contentsOfDirectory(atPath: folder.path).filter { $0.hasSuffix(".o") }
        guard !files.isEmpty else { throw Failure(description: "\(folder.path): no object files") }
        return files.sorted().map { folder.appendingPathComponent($0).path }
    }

    private func run(_ tool: String, _ arguments: [String]) throws -> [Substring] {
        let process = Process(), output = Pipe()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = [tool] + arguments
        process.standardOutput = output
        try process.run()
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        guard process.terminationStatus == 0 else {
            throw Failure(description: "\(tool) ended with \(process.terminationStatus): install binutils")
        }
        return text.split(separator: "\n")
    }

    private struct Symbol {
        var kind: Character, name: String
    }

    private func symbols(_ module: String) throws -> [Symbol] {
        try run("nm", objects(module)).compactMap { line in
            let fields = line.split(separator: " ", omittingEmptySubsequences: true)
            guard fields.count >= 2, !line.hasSuffix(":") else { return nil }
            // "address kind name", or "kind name" where undefined.
            let kind = fields[0].count == 1 ? 0 : 1
            return Symbol(kind: Character(String(fields[kind])), name: fields[(kind + 1)...].joined(separator: " "))
        }
    }

    /// A module's name as Swift mangles it, with its length in front ("11KernelsAVX2" is no part of "13KernelsAVX512").
    private func mangled(_ module: String) -> String { "\(module.utf8.count)\(module)" }

    /// What may stand in every module: data without code or addresses (a version; the mangled name of a protocol's `Self`).
    private static let shared: Set = ["__swift_reflection_version", "symbolic x"]

    /// The linker keeps one definition of a weak symbol: if two instruction sets shared one, a CPU might meet instructions it lacks.
    @Test("weak symbols belong to their module", arguments: modules) func weakSymbols(_ module: String) throws {
        let weak = try symbols(module).filter { "WVvu".contains($0.kind) && !Self.shared.contains($0.name) }
        #expect(!weak.isEmpty)
        for symbol in weak { #expect(symbol.name.contains(mangled(module)), "\(symbol.kind) \(symbol.name)") }
    }

    @Test("no symbol is defined by two instruction sets") func sharedSymbols() throws {
        var owner: [String: String] = [:]
        for module in Self.modules {
            let defined = try symbols(module).filter {
                ($0.kind.isUppercase || "vu".contains($0.kind)) && $0.kind != "U" && !Self.shared.contains($0.name)
            }
            #expect(defined.count > 10)
            for symbol in defined {
                if let other = owner[symbol.name], other != module { Issue.record("\(symbol.name): defined by \(other) and \(module)") }
                owner[symbol.name] = module
            }
        }
    }

    /// No allocation, no witness table, no run-time check: nothing but copying memory and the stack's guard is called.
    @Test("kernels call nothing outside their module", arguments: modules) func calls(_ module: String) throws {
        let allowed: Set = ["memset", "memcpy", "memmove", "__stack_chk_fail"]
        for symbol in try symbols(module) where symbol.kind == "U" {
            #expect(allowed.contains(symbol.name) || symbol.name.contains(mangled(module)), "\(symbol.name)")
        }
    }

    /// Instructions by function.
    private func disassemble(_ module: String) throws -> [(name: String, code: [Substring])] {
        var functions: [(name: String, code: [Substring])] = []
        for line in try run("objdump", ["-d", "--no-show-raw-insn", "-w"] + objects(module)) {
            if line.hasSuffix(">:"), let name = line.split(separator: "<").last {
                functions.append((String(name.dropLast(2)), []))
            } else if line.first == " ", !functions.isEmpty {
                functions[functions.count - 1].code.append(line)
            }
        }
        return functions
    }

    @Test("each instruction set keeps to its registers", arguments: modules) func registers(_ module: String) throws {
        let code = try disassemble(module).flatMap(\.code)
        func uses(_ register: String) -> Int { code.filter { $0.contains("%\(register)") }.count }
        #if arch(x86_64)
            #expect(uses("xmm") > 100)
            if module == "KernelsBaseline" { #expect(uses("ymm") == 0) }
            if module == "KernelsAVX2" { #expect(uses("ymm") > 100) }
            #expect((uses("zmm") > 100) == (module == "KernelsAVX512"), "zmm: \(uses("zmm"))")
            if module != "KernelsAVX512" { #expect(uses("zmm") == 0) }
        #endif
    }

    /// The innermost loop that multiplies: from the target of the shortest backward jump over a `product` to that jump.
    private func innerLoop(_ code: [Substring], _ product: String) -> [Substring] {
        func address(_ text: Substring) -> Int? { Int(text.trimmingCharacters(in: .whitespaces), radix: 16) }
        var best: [Substring] = []
        let addresses = code.map { address($0.prefix { $0 != ":" }) ?? -1 }
        for (i, line) in code.enumerated() {
            let fields = line.split(whereSeparator: { $0 == " " || $0 == "\t" })
            guard fields.count >= 3, fields[1].first == "j", let target = address(fields[2]), target <= addresses[i],
                let first = addresses.firstIndex(of: target)
            else { continue }
            let body = Array(code[first...i])
            if body.contains(where: { $0.contains(product) }) && (best.isEmpty || body.count < best.count) { best = body }
        }
        return best
    }

    struct Block: Sendable, CustomTestStringConvertible {
        /// Function of the register block, as it is mangled.
        var name: String
        /// Instructions that one round of its loop takes: a multiply-add, or a multiplication on baseline x86-64.
        var products: Int
        var module: String
        var testDescription: String { "\(module).\(name)" }

        static let avx512 = [
            ("product6x4", 24), ("product2x4", 8), ("product1x4", 4), ("product8x2", 16), ("product4x2", 8), ("product1x2", 2),
            ("product12x1", 12),
            ("product4x1", 4), ("product1x1", 1), ("outer6x4", 24), ("outer5x4", 20), ("outer8x2", 16), ("outer16x1", 16),
        ].map { Block(name: $0, products: $1, module: "KernelsAVX512") }
        static let avx2 = [("product6x1", 12), ("product4x1", 8), ("product1x1", 2), ("outer6x1", 12), ("outer5x1", 10)]
            .map { Block(name: $0, products: $1, module: "KernelsAVX2") }
        static let baseline = [("product2x1", 8), ("product1x1", 4), ("outer2x1", 8)].map {
            Block(name: $0, products: $1, module: "KernelsBaseline")
        }
    }

    #if arch(x86_64)
        /// A register block that lost accumulators to the stack runs at a fraction of its speed. On AVX-512, which the CPU of the
        /// tests may lack, nothing else would show it.
        @Test("register blocks stay in registers", arguments: Block.avx512 + Block.avx2 + Block.baseline)
        func registerBlocks(_ block: Block) throws {
            let functions = try disassemble(block.module), name = "\(block.name.utf8.count)\(block.name)"
            let function = try #require(functions.first { $0.name.contains(mangled(block.module) + name) })
            let product = block.module == "KernelsBaseline" ? "mulps" : "vfmadd"
            let register = ["KernelsBaseline": "%xmm", "KernelsAVX2": "%ymm", "KernelsAVX512": "%zmm"][block.module]!
            let loop = innerLoop(function.code, product)
            let products = loop.filter { $0.contains(product) }
            // A small block may be unrolled to several rounds.
            #expect(products.count > 0 && products.count % block.products == 0, "\(products.count) products in the inner loop")
            #expect(products.allSatisfy { $0.contains(register) })
            for line in loop where line.contains("(%rsp") || line.contains("(%rbp") { Issue.record("uses the stack: \(line)") }
        }

        @Test("all register blocks are looked at", arguments: modules) func allRegisterBlocks(_ module: String) throws {
            let known = Set(
                (Block.avx512 + Block.avx2 + Block.baseline).filter { $0.module == module }.map { "\($0.name.utf8.count)\($0.name)" })
            for function in try disassemble(module) {
                guard let range = function.name.range(of: mangled(module)) else { continue }
                let rest = function.name[range.upperBound...]
                guard rest.drop(while: \.isNumber).hasPrefix("product") || rest.drop(while: \.isNumber).hasPrefix("outer") else { continue }
                #expect(known.contains { rest.hasPrefix($0) }, "\(function.name)")
            }
        }
    #endif
}
