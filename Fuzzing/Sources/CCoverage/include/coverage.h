#pragma once

// Hands libFuzzer the counters of the branches of some Swift modules alone: it goes through all that it was handed after every input. The
// program is linked so that what its modules announce of their counters comes here first (--wrap); to be called once, before libFuzzer starts.
//
// `modules` are names in front of which stands their length, as in Swift's symbols: "7Imaging". Answers with the number of branches.
int coverage_of_modules(const char *const *modules, int count);
