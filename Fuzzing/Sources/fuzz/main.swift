import CLibFuzzer
import FuzzTargets
import Glibc

// fuzz TARGET [options and corpora of libFuzzer …]

FuzzTarget.prepare()
guard Fuzzer.target != nil else {
    print("usage: fuzz TARGET [options of libFuzzer]; the targets are \(FuzzTarget.allCases.map(\.rawValue).joined(separator: " "))")
    exit(64)
}
// libFuzzer ends the process by exit, which ends no object's life.
atexit { Fuzzer.folder.remove() }
let words = CommandLine.arguments
var count = Int32(words.count - 1)
var arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>? = .allocate(capacity: words.count)
for (place, word) in ([words[0]] + words.dropFirst(2)).enumerated() { arguments![place] = strdup(word) }
arguments![words.count - 1] = nil
exit(LLVMFuzzerRunDriver(&count, &arguments) { Fuzzer.run($0, $1) })
