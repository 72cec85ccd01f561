#pragma once
#include <stddef.h>
#include <stdint.h>

// libFuzzer as a library (compiler-rt, FuzzerDriver.cpp): takes its options out of the arguments, and calls `run` until it is done or `run` crashes.
// An input for which `run` returns -1 is not kept.
int LLVMFuzzerRunDriver(int *count, char ***arguments, int (*run)(const uint8_t *bytes, size_t size));
