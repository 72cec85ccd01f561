#pragma once
#include <stdarg.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <tiffio.h>
#include <unistd.h>

// Room for the first error of an open file, which libtiff hands over as a format and a va_list: neither reaches Swift.
#define TIFF_MESSAGE_SIZE 300

static inline int tiff_keep_first_error(TIFF *file, void *message, const char *module, const char *format, va_list arguments) {
  if (*(char *)message == 0) vsnprintf(message, TIFF_MESSAGE_SIZE, format, arguments);
  return 1;
}

static inline int tiff_ignore_warning(TIFF *file, void *message, const char *module, const char *format, va_list arguments) {
  return 1;
}

// Opens a descriptor, which it takes over, with handlers of its own that write to `message` and never to stderr. libtiff takes at most `memory`
// bytes at once; 0 is for no limit.
static inline TIFF *tiff_open(int descriptor, const char *name, const char *mode, tmsize_t memory, char *message) {
  TIFFOpenOptions *options = TIFFOpenOptionsAlloc();
  TIFFOpenOptionsSetMaxSingleMemAlloc(options, memory);
  TIFFOpenOptionsSetErrorHandlerExtR(options, tiff_keep_first_error, message);
  TIFFOpenOptionsSetWarningHandlerExtR(options, tiff_ignore_warning, message);
  TIFF *file = TIFFFdOpenExt(descriptor, name, mode, options);
  TIFFOpenOptionsFree(options);
  return file;
}

// A descriptor of a file that exists in memory alone and holds these bytes; -1 if the system has none.
static inline int tiff_memory_file(const void *bytes, size_t size) {
  // MFD_CLOEXEC; libc's own function has to be asked for by _GNU_SOURCE, which Swift does not define.
  int descriptor = (int)syscall(SYS_memfd_create, "tiff", 1u);
  if (descriptor >= 0 && pwrite(descriptor, bytes, size, 0) != (ssize_t)size) {
    close(descriptor);
    return -1;
  }
  return descriptor;
}

// TIFFSetField takes its value as a variadic argument.
static inline int tiff_set_integer(TIFF *file, uint32_t tag, uint32_t value) { return TIFFSetField(file, tag, value); }
static inline int tiff_set_double(TIFF *file, uint32_t tag, double value) { return TIFFSetField(file, tag, value); }
static inline int tiff_set_text(TIFF *file, uint32_t tag, const char *value) { return TIFFSetField(file, tag, value); }
