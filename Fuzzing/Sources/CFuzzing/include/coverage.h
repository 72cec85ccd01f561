#pragma once

// Hands libFuzzer the counters of the branches of some Swift modules, or types, alone: it goes through all that it was handed after
// every input. It is told of comparisons, which it takes bytes from for its next inputs, from where these branches lie, and no others. The program
// is linked so that what its modules announce of counters and comparisons comes here first (--wrap); to be called once, before libFuzzer starts.
//
// `places` are names, a module's or a module's and a type's, in front of each its length, as in Swift's symbols: "7Imaging",
// "8Training10Checkpoint". Answers with the number of branches.
int coverage_of(const char *const *places, int count);
