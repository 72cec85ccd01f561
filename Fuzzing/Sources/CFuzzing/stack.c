#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

// Comes in the place of the C library's: a function calls it that finds its stack overwritten. Who called that function is overwritten, too, and
// the sanitizer's own account of it breaks off; so the function itself is told here, as a frame that `run` reads like the sanitizer's.
__attribute__((noreturn)) void __stack_chk_fail(void) {
  // The address behind the call may be the next function's.
  char *place = (char *)__builtin_return_address(0) - 1;
  Dl_info info;
  if (dladdr(place, &info))
    dprintf(2, "stack overwritten:\n    #0 %p in %s (%s+0x%lx)\n", (void *)place, info.dli_sname ? info.dli_sname : "?", info.dli_fname,
            (unsigned long)(place - (char *)info.dli_fbase));
  abort();
}
