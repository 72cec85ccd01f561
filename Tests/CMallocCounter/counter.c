// glibc lets an executable define malloc and its relatives; its own remain reachable as __libc_malloc and so on. Every
// thread has a counter, which the threads that it starts inherit, so that tests that run at the same time do not see
// one another.
#define _GNU_SOURCE
#include "CMallocCounter.h"
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);
extern void __libc_free(void *);

enum { counterCount = 1024 };
static atomic_long counters[counterCount];
static atomic_uint nextCounter;
static __thread atomic_long *counter;

void malloc_count_start(void) {
  counter = &counters[atomic_fetch_add(&nextCounter, 1) % counterCount];
  atomic_store(counter, 0);
}

long malloc_count(void) { return counter ? atomic_load(counter) : -1; }

// The sanitizers that watch memory put their own malloc and pthread_create in the place of the C library's. Then nothing is counted, and
// scripts/sanitize leaves the tests out that count.
#if !__has_feature(address_sanitizer) && !__has_feature(thread_sanitizer)

static void count(void) {
  if (counter) atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

void *malloc(size_t size) {
  count();
  return __libc_malloc(size);
}
void *calloc(size_t n, size_t size) {
  count();
  return __libc_calloc(n, size);
}
void *realloc(void *p, size_t size) {
  count();
  return __libc_realloc(p, size);
}
void *memalign(size_t alignment, size_t size) {
  count();
  return __libc_memalign(alignment, size);
}
void *aligned_alloc(size_t alignment, size_t size) {
  count();
  return __libc_memalign(alignment, size);
}
int posix_memalign(void **result, size_t alignment, size_t size) {
  count();
  if (alignment % sizeof(void *) != 0 || (alignment & (alignment - 1)) != 0) return EINVAL;
  void *p = __libc_memalign(alignment, size);
  if (!p) return ENOMEM;
  *result = p;
  return 0;
}
void free(void *p) { __libc_free(p); }

struct start {
  void *(*body)(void *);
  void *argument;
  atomic_long *counter;
};

static void *run(void *raw) {
  struct start start = *(struct start *)raw;
  __libc_free(raw);
  counter = start.counter;
  return start.body(start.argument);
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*body)(void *), void *argument) {
  static int (*real)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
  if (!real) real = (int (*)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *))dlsym(RTLD_NEXT, "pthread_create");
  if (!counter) return real(thread, attributes, body, argument);
  struct start *start = __libc_malloc(sizeof *start);
  if (!start) return EAGAIN;
  *start = (struct start){body, argument, counter};
  int status = real(thread, attributes, run, start);
  if (status != 0) __libc_free(start);
  return status;
}

#endif
