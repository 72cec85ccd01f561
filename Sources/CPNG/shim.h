#pragma once
#include <png.h>
#include <setjmp.h>
#include <string.h>

// libpng leaves a failed call by longjmp, which Swift must not see: the whole of decoding is here. (Its simplified
// interface needs no setjmp, but converts samples between gamma curves, and our samples are measurements.)

typedef struct {
  const unsigned char *bytes;
  size_t size, position;
  char message[200];
} png_input;

typedef struct {
  unsigned width, height, bits, channels, has_palette, has_alpha, is_interlaced;
} png_layout;

static inline void png_input_read(png_structp png, png_bytep out, size_t count) {
  png_input *input = (png_input *)png_get_io_ptr(png);
  if (count > input->size - input->position) png_error(png, "the file ends early");
  memcpy(out, input->bytes + input->position, count);
  input->position += count;
}

static inline void png_input_error(png_structp png, const char *message) {
  png_input *input = (png_input *)png_get_error_ptr(png);
  strncpy(input->message, message, sizeof input->message - 1);
  png_longjmp(png, 1);
}

static inline void png_input_warning(png_structp png, const char *message) {}

// Without `rows` fills `layout`. With them, decodes into them an image that still has this layout, for which there is room: 8 or 16 bits a
// sample (big-endian), fewer expanded to 8. Returns 0 after an error, with its text in `input->message`.
static inline int png_decode(png_input *input, png_layout *layout, unsigned char **rows) __attribute__((noinline));
static inline int png_decode(png_input *input, png_layout *layout, unsigned char **rows) {
  input->position = 0;
  png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, input, png_input_error, png_input_warning);
  // Before setjmp, because what is assigned after it is not defined after a longjmp.
  png_infop info = png ? png_create_info_struct(png) : NULL;
  if (!info || setjmp(png_jmpbuf(png))) {
    png_destroy_read_struct(&png, &info, NULL);
    return 0;
  }
  png_set_read_fn(png, input, png_input_read);
  // Of a compressed text nothing is wanted that is longer.
  png_set_chunk_malloc_max(png, 1 << 23);
  png_read_info(png, info);
  int type = png_get_color_type(png, info);
  png_layout found = {
      .width = png_get_image_width(png, info),
      .height = png_get_image_height(png, info),
      .bits = png_get_bit_depth(png, info) == 16 ? 16 : 8,
      .channels = type & PNG_COLOR_MASK_COLOR ? 3 : 1,
      .has_palette = (type & PNG_COLOR_MASK_PALETTE) != 0,
      .is_interlaced = png_get_interlace_type(png, info) != PNG_INTERLACE_NONE,
      .has_alpha = (type & PNG_COLOR_MASK_ALPHA) != 0,
  };
  if (!rows) {
    *layout = found;
  } else {
    // The file may have changed since it was opened.
    if (memcmp(layout, &found, sizeof found) != 0) png_error(png, "the image has changed since it was opened");
    if (type == PNG_COLOR_TYPE_GRAY) png_set_expand_gray_1_2_4_to_8(png);
    png_set_interlace_handling(png);
    png_read_update_info(png, info);
    png_read_image(png, rows);
    png_read_end(png, NULL);
  }
  png_destroy_read_struct(&png, &info, NULL);
  return 1;
}
