#pragma once
#include <errno.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

// What the process that reads a stranger's HDF5 gives up, so that a file which takes it over gets nothing but what it may read. prctl and syscall
// are variadic, and the C library has no functions for Landlock (linux/landlock.h, which older systems lack, has these numbers).

#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_restrict_self 446
#endif

// For the whole process and for ever: programs gain no rights by being started, and where the kernel has Landlock (Linux 5.13) nothing is started,
// opened for writing, made, renamed, deleted or, from Linux 6.2 on, cut, and from 6.7 on no TCP connection is made. Returns the version of Landlock, 0 where
// there is none.
static inline int hdf5_give_up_rights(void) {
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return 0;
  long version = syscall(SYS_landlock_create_ruleset, NULL, 0, 1);
  if (version < 1) return 0;
  struct {
    uint64_t files, network;
  } rights = {0, 0};
  rights.files = 1 << 0 | 1 << 1;                                       // execute, open for writing
  for (int right = 4; right <= 12; right++) rights.files |= 1 << right;  // remove and make whatever there is
  if (version >= 2) rights.files |= 1 << 13;                             // move between folders
  if (version >= 3) rights.files |= 1 << 14;                             // cut
  if (version >= 4) rights.network = 1 << 0 | 1 << 1;                    // bind, connect
  long rules = syscall(SYS_landlock_create_ruleset, &rights, version >= 4 ? sizeof rights : sizeof rights.files, 0);
  if (rules < 0) return 0;
  // No rule allows any of it.
  long status = syscall(SYS_landlock_restrict_self, rules, 0);
  close((int)rules);
  return status == 0 ? (int)version : 0;
}
