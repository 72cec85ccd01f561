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

// The name of the Swift module that a function is in, or null if its symbol does not tell: it is a generic function of the standard
// library, say, or is not exported.
static const char *module_of(const branch *entry) {
  Dl_info info;
  if (!dladdr((void *)entry->address, &info) || info.dli_saddr != (void *)entry->address || !info.dli_sname) return 0;
  const char *name = info.dli_sname;
  return strncmp(name, "$s", 2) == 0 && name[2] >= '1' && name[2] <= '9' ? name + 2 : 0;
}

static int is_one_of(const char *name, const char *const *modules, int count) {
  for (int i = 0; i < count; i++)
    if (strncmp(name, modules[i], strlen(modules[i])) == 0) return 1;
  return 0;
}

int coverage_of_modules(const char *const *modules, int count) {
  // A module's functions lie together. One in 32 is asked for its symbol, as that takes its time; those between two that tell belong to the module
  // before them or after them, and are taken for both. `first` begins a stretch that is wanted; `unknown` follows the last function that is
  // known not to be.
  const branch *first = 0, *unknown = branches;
  int sum = 0, functions = 0;
  for (const branch *entry = branches; entry <= branches_end; entry++) {
    const char *module = entry < branches_end ? ((entry->flags & 1) && functions++ % 32 == 0 ? module_of(entry) : 0) : "";
    if (!module) continue;
    int wanted = entry < branches_end && is_one_of(module, modules, count);
    if (wanted && !first) first = unknown;
    if (!wanted && first) {
      __real___sanitizer_cov_8bit_counters_init(counters + (first - branches), counters + (entry - branches));
      __real___sanitizer_cov_pcs_init(first, entry);
      sum += entry - first;
      first = 0;
    }
    if (!wanted) unknown = entry + 1;
  }
  return sum;
}
