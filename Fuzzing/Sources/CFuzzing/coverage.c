#define _GNU_SOURCE
#include "coverage.h"

#include <dlfcn.h>
#include <stdint.h>
#include <string.h>

// A branch: its address, and whether it is a function's first (bit 0). LLVM calls it an entry of the PC table; each has a counter of a byte.
typedef struct {
  uintptr_t address, flags;
} branch;

void __real___sanitizer_cov_8bit_counters_init(uint8_t *start, uint8_t *stop);
void __real___sanitizer_cov_pcs_init(const branch *start, const branch *stop);

static uint8_t *counters;
static const branch *branches, *branches_end;

// All modules of a program have one table, which each announces.
void __wrap___sanitizer_cov_8bit_counters_init(uint8_t *start, uint8_t *stop) { counters = start; }

void __wrap___sanitizer_cov_pcs_init(const branch *start, const branch *stop) { branches = start, branches_end = stop; }

// Where the code lies whose comparisons libFuzzer is told of: before it starts, nowhere.
static uintptr_t code, code_length;

static void add_code(const branch *first, const branch *end) {
  uintptr_t low = code, high = code + code_length;
  for (const branch *entry = first; entry < end; entry++) {
    if (!high || entry->address < low) low = entry->address;
    if (entry->address >= high) high = entry->address + 1;
  }
  code = low, code_length = high - low;
}

// They jump, so that libFuzzer sees who called. A loop over the text of an error would have it notice a comparison for each character.
#define COMPARISON(name, type)                                                                   \
  void __real_##name(type, type);                                                                \
  void __wrap_##name(type a, type b) {                                                           \
    if ((uintptr_t)__builtin_return_address(0) - code >= code_length) return;                    \
    __attribute__((musttail)) return __real_##name(a, b);                                        \
  }
COMPARISON(__sanitizer_cov_trace_cmp1, uint8_t)
COMPARISON(__sanitizer_cov_trace_cmp2, uint16_t)
COMPARISON(__sanitizer_cov_trace_cmp4, uint32_t)
COMPARISON(__sanitizer_cov_trace_cmp8, uint64_t)
COMPARISON(__sanitizer_cov_trace_const_cmp1, uint8_t)
COMPARISON(__sanitizer_cov_trace_const_cmp2, uint16_t)
COMPARISON(__sanitizer_cov_trace_const_cmp4, uint32_t)
COMPARISON(__sanitizer_cov_trace_const_cmp8, uint64_t)

// The symbol of a Swift function from its module's name on, or null if it does not tell: the function is a generic one of the
// standard library, say, or is not exported.
static const char *name_of(const branch *entry) {
  Dl_info info;
  if (!dladdr((void *)entry->address, &info) || info.dli_saddr != (void *)entry->address || !info.dli_sname) return 0;
  const char *name = info.dli_sname;
  return strncmp(name, "$s", 2) == 0 && name[2] >= '1' && name[2] <= '9' ? name + 2 : 0;
}

static int is_in(const char *name, const char *const *places, int count) {
  for (int i = 0; i < count; i++)
    if (strncmp(name, places[i], strlen(places[i])) == 0) return 1;
  return 0;
}

int coverage_of(const char *const *places, int count) {
  // The functions of a module lie together, and in it those of a file. One in 32 is asked for its symbol, as that takes its time; those between
  // two that tell belong to the place before them or after them, and are taken for both. `first` begins a stretch that is wanted; `unknown`
  // follows the last function that is known not to be.
  const branch *first = 0, *unknown = branches;
  int sum = 0, functions = 0;
  for (const branch *entry = branches; entry <= branches_end; entry++) {
    const char *name = entry < branches_end ? ((entry->flags & 1) && functions++ % 32 == 0 ? name_of(entry) : 0) : "";
    if (!name) continue;
    int wanted = entry < branches_end && is_in(name, places, count);
    if (wanted && !first) first = unknown;
    if (!wanted && first) {
      __real___sanitizer_cov_8bit_counters_init(counters + (first - branches), counters + (entry - branches));
      __real___sanitizer_cov_pcs_init(first, entry);
      add_code(first, entry);
      sum += entry - first;
      first = 0;
    }
    if (!wanted) unknown = entry + 1;
  }
  return sum;
}
