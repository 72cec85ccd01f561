// malloc_trim: Swift's Glibc module leaves out <malloc.h>.
#pragma once
#include <malloc.h>
