// What Swift cannot import from mpi.h, and nothing else. Written so that the same Swift source builds with Open MPI, whose
// handles are pointers, and with MPICH, whose handles are integers.
#pragma once
#include <mpi.h>

// Handle constants are macros that expand to casts or address-of expressions: not imported.
static inline MPI_Comm cmpi_comm_world(void) { return MPI_COMM_WORLD; }
static inline MPI_Datatype cmpi_float(void) { return MPI_FLOAT; }
static inline MPI_Datatype cmpi_double(void) { return MPI_DOUBLE; }
static inline MPI_Datatype cmpi_int64(void) { return MPI_INT64_T; }
static inline MPI_Datatype cmpi_uint64(void) { return MPI_UINT64_T; }
static inline MPI_Datatype cmpi_int32(void) { return MPI_INT32_T; }
static inline MPI_Datatype cmpi_uint16(void) { return MPI_UINT16_T; }
static inline MPI_Datatype cmpi_uint8(void) { return MPI_UINT8_T; }
static inline MPI_Op cmpi_sum(void) { return MPI_SUM; }
static inline MPI_Op cmpi_min(void) { return MPI_MIN; }
static inline MPI_Op cmpi_max(void) { return MPI_MAX; }

// Pointer constants are macros that expand to casts: not imported.
static inline void *cmpi_in_place(void) { return MPI_IN_PLACE; }

// Integer constants: plain macros in one implementation, enumerators or chained macros in the other, so their Swift types differ.
static inline int cmpi_success(void) { return MPI_SUCCESS; }
static inline int cmpi_max_error_string(void) { return MPI_MAX_ERROR_STRING; }
static inline int cmpi_max_library_version_string(void) { return MPI_MAX_LIBRARY_VERSION_STRING; }
static inline int cmpi_thread_single(void) { return MPI_THREAD_SINGLE; }
static inline int cmpi_thread_funneled(void) { return MPI_THREAD_FUNNELED; }
static inline int cmpi_thread_serialized(void) { return MPI_THREAD_SERIALIZED; }
static inline int cmpi_thread_multiple(void) { return MPI_THREAD_MULTIPLE; }

// Functions with an out parameter that is a handle: it is Optional in Swift where handles are pointers and not where they are
// integers. Returning the handle by value would lose the error code, so it travels in a struct.
typedef struct { MPI_Comm handle; } cmpi_comm;
static inline int cmpi_comm_dup(MPI_Comm comm, cmpi_comm *copy) { return MPI_Comm_dup(comm, &copy->handle); }
static inline int cmpi_comm_free(cmpi_comm *comm) { return MPI_Comm_free(&comm->handle); }
// The split type and the info constant are macros too.
static inline int cmpi_comm_split_shared(MPI_Comm comm, int key, cmpi_comm *part) {
    return MPI_Comm_split_type(comm, MPI_COMM_TYPE_SHARED, key, MPI_INFO_NULL, &part->handle);
}
// The error handler constant is a macro.
static inline int cmpi_comm_return_errors(MPI_Comm comm) { return MPI_Comm_set_errhandler(comm, MPI_ERRORS_RETURN); }

// Requests are written and cleared through pointers: same reason. The size of a struct with one member is the member's.
typedef struct { MPI_Request handle; } cmpi_request;
static inline int cmpi_isend(const void *data, int count, MPI_Datatype type, int to, int tag, MPI_Comm comm, cmpi_request *request) {
    return MPI_Isend(data, count, type, to, tag, comm, &request->handle);
}
static inline int cmpi_irecv(void *data, int count, MPI_Datatype type, int from, int tag, MPI_Comm comm, cmpi_request *request) {
    return MPI_Irecv(data, count, type, from, tag, comm, &request->handle);
}
static inline int cmpi_iallreduce(const void *in, void *out, int count, MPI_Datatype type, MPI_Op operation, MPI_Comm comm, cmpi_request *request) {
    return MPI_Iallreduce(in, out, count, type, operation, comm, &request->handle);
}
static inline int cmpi_ialltoall(const void *in, void *out, int count, MPI_Datatype type, MPI_Comm comm, cmpi_request *request) {
    return MPI_Ialltoall(in, count, type, out, count, type, comm, &request->handle);
}
static inline int cmpi_iallgather(const void *in, void *out, int count, MPI_Datatype type, MPI_Comm comm, cmpi_request *request) {
    return MPI_Iallgather(in, count, type, out, count, type, comm, &request->handle);
}
static inline int cmpi_ibarrier(MPI_Comm comm, cmpi_request *request) { return MPI_Ibarrier(comm, &request->handle); }
static inline int cmpi_ibcast(void *data, int count, MPI_Datatype type, int root, MPI_Comm comm, cmpi_request *request) {
    return MPI_Ibcast(data, count, type, root, comm, &request->handle);
}
static inline int cmpi_iallgatherv(
    const void *in, int count, void *out, const int *counts, const int *starts, MPI_Datatype type, MPI_Comm comm, cmpi_request *request) {
    return MPI_Iallgatherv(in, count, type, out, counts, starts, type, comm, &request->handle);
}
static inline int cmpi_test(cmpi_request *request, int *done, MPI_Status *status) { return MPI_Test(&request->handle, done, status); }
// The wildcards are macros in one library and expressions in the other.
static inline int cmpi_iprobe_any(MPI_Comm comm, int *found, int *source, int *tag) {
    MPI_Status status;
    int code = MPI_Iprobe(MPI_ANY_SOURCE, MPI_ANY_TAG, comm, found, &status);
    if (code == MPI_SUCCESS && *found) {
        *source = status.MPI_SOURCE;
        *tag = status.MPI_TAG;
    }
    return code;
}
// MPI_STATUSES_IGNORE is a macro that expands to a cast.
// The requests of an array of such structs lie as in an array of requests.
static inline int cmpi_testall(int count, cmpi_request *requests, int *done) {
    return MPI_Testall(count, &requests->handle, done, MPI_STATUSES_IGNORE);
}
// The null request is a macro; waiting for it returns at once.
static inline cmpi_request cmpi_request_null(void) { return (cmpi_request){MPI_REQUEST_NULL}; }
