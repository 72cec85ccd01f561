#include "CSIMD.h"
#include <string.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

int csimd_instruction_set(void) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512bw"))
    return 2;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return 1;
#endif
  return 0;
}

const char *csimd_cpu_name(void) {
  static char name[49] = "unknown";
#if defined(__x86_64__)
  unsigned int r[12];
  if (__get_cpuid(0x80000002, r, r + 1, r + 2, r + 3) && __get_cpuid(0x80000003, r + 4, r + 5, r + 6, r + 7) &&
      __get_cpuid(0x80000004, r + 8, r + 9, r + 10, r + 11))
    memcpy(name, r, 48);
#endif
  return name;
}
