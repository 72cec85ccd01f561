// Counts heap allocations. Linked into an executable, it takes the place of malloc and its relatives for the whole process.
#pragma once

/// Starts counting the allocations of this thread and of all threads that it starts from now on, from zero.
void malloc_count_start(void);

/// Allocations (malloc, calloc, realloc, aligned_alloc and relatives) since `malloc_count_start` on this thread.
long malloc_count(void);
