#pragma once
#include <hdf5.h>

// The constants below are macros that call H5open() before they name a variable: an expression that Swift cannot import.
static inline hid_t hdf5_native_float(void) { return H5T_NATIVE_FLOAT; }
static inline hid_t hdf5_native_double(void) { return H5T_NATIVE_DOUBLE; }
static inline hid_t hdf5_native_int8(void) { return H5T_NATIVE_INT8; }
static inline hid_t hdf5_native_int16(void) { return H5T_NATIVE_INT16; }
static inline hid_t hdf5_native_int32(void) { return H5T_NATIVE_INT32; }
static inline hid_t hdf5_native_int64(void) { return H5T_NATIVE_INT64; }
static inline hid_t hdf5_native_uint8(void) { return H5T_NATIVE_UINT8; }
static inline hid_t hdf5_native_uint16(void) { return H5T_NATIVE_UINT16; }
static inline hid_t hdf5_native_uint32(void) { return H5T_NATIVE_UINT32; }
static inline hid_t hdf5_native_uint64(void) { return H5T_NATIVE_UINT64; }
static inline hid_t hdf5_c_string(void) { return H5T_C_S1; }
static inline hid_t hdf5_file_access(void) { return H5P_FILE_ACCESS; }
static inline hid_t hdf5_file_creation(void) { return H5P_FILE_CREATE; }
static inline hid_t hdf5_dataset_creation(void) { return H5P_DATASET_CREATE; }
static inline hid_t hdf5_dataset_access(void) { return H5P_DATASET_ACCESS; }
static inline hid_t hdf5_link_creation(void) { return H5P_LINK_CREATE; }
static inline hid_t hdf5_link_access(void) { return H5P_LINK_ACCESS; }
static inline unsigned hdf5_read_only(void) { return H5F_ACC_RDONLY; }
static inline unsigned hdf5_truncate(void) { return H5F_ACC_TRUNC; }

// Whether a link leads to another file: 1, 0, or -1 if there is no such link. (From HDF5 1.12 on H5Lget_info is a macro, too.)
static inline int hdf5_leads_out(hid_t place, const char *name, hid_t access) {
  H5L_info_t information;
  if (H5Lget_info(place, name, &information, access) < 0) return -1;
  return information.type == H5L_TYPE_EXTERNAL;
}

// H5T_VARIABLE is a size_t cast of -1, which Swift leaves out.
static inline size_t hdf5_variable_length(void) { return H5T_VARIABLE; }
