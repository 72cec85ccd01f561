import CFuzzing
import CLibFuzzer
import FuzzTargets
import Glibc

// fuzz TARGET [options and corpora of libFuzzer …]

FuzzTarget.prepare()
var words = CommandLine.arguments
if words.count > 1, FuzzTarget(rawValue: words[1]) != nil {
    // libFuzzer starts this program again for some of its work, with arguments of its own.
    setenv(Fuzzer.variable, words.remove(at: 1), 1)
}
guard let target = Fuzzer.target else {
    print("usage: fuzz TARGET [options of libFuzzer]; the targets are \(FuzzTarget.allCases.map(\.rawValue).joined(separator: " "))")
    exit(64)
}
// As they stand in Swift's symbols.
let places = target.places.map { place in
    UnsafePointer(strdup(place.split(separator: ".").map { "\($0.utf8.count)\($0)" }.joined()))
}
guard coverage_of(places, Int32(places.count)) > 0 else { fatalError("no branch of \(target.places) is counted") }
// libFuzzer ends the process by exit, which ends no object's life.
atexit { Fuzzer.folder.remove() }
var count = Int32(words.count)
var arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>? = .allocate(capacity: words.count + 1)
for (place, word) in words.enumerated() { arguments![place] = strdup(word) }
arguments![words.count] = nil
exit(LLVMFuzzerRunDriver(&count, &arguments) { Fuzzer.run($0, $1) })
