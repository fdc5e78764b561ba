/* Loaded before the C library: the FAULT_AT-th call on a file whose path holds FAULT_PATH fails with
   the error FAULT_ERROR. FAULT_FOR_GOOD: so do all after it, as on a full disk. FAULT_WRITES: only
   calls that write count. The number of calls is left in FAULT_COUNT. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static atomic_long calls;
static atomic_char watched[65536];

static int is_ours(const char *path) {
    const char *part = getenv("FAULT_PATH");
    return part && path && strstr(path, part);
}

static int is_watched(int file) {
    return file >= 0 && file < 65536 && atomic_load(&watched[file]);
}

static int fails(int writes) {
    if (getenv("FAULT_WRITES") && !writes) return 0;
    long call = atomic_fetch_add(&calls, 1) + 1;
    const char *at = getenv("FAULT_AT");
    long wanted = at ? atol(at) : 0;
    if (!wanted || call < wanted || (call > wanted && !getenv("FAULT_FOR_GOOD"))) return 0;
    errno = atoi(getenv("FAULT_ERROR"));
    return 1;
}

static __attribute__((destructor)) void leave_count(void) {
    const char *path = getenv("FAULT_COUNT");
    FILE *(*make)(const char *, const char *) = dlsym(RTLD_NEXT, "fopen");
    FILE *file = path ? make(path, "w") : NULL;
    if (file) {
        fprintf(file, "%ld", atomic_load(&calls));
        fclose(file);
    }
}

#define OPEN(name)                                                                                 \
    int name(const char *path, int flags, ...) {                                                   \
        int (*real)(const char *, int, ...) = dlsym(RTLD_NEXT, #name);                             \
        va_list rest;                                                                              \
        va_start(rest, flags);                                                                     \
        mode_t mode = (flags & (O_CREAT | O_TMPFILE)) ? va_arg(rest, mode_t) : 0;                  \
        va_end(rest);                                                                              \
        if (is_ours(path) && fails(flags & O_CREAT)) return -1;                                    \
        int file = real(path, flags, mode);                                                        \
        if (file >= 0 && file < 65536) atomic_store(&watched[file], is_ours(path) ? 1 : 0);        \
        return file;                                                                               \
    }
OPEN(open)
OPEN(open64)

int close(int file) {
    int (*real)(int) = dlsym(RTLD_NEXT, "close");
    if (file >= 0 && file < 65536) atomic_store(&watched[file], 0);
    return real(file);
}

#define ON_FILE(result, name, parameters, arguments, writes)                                       \
    result name parameters {                                                                       \
        result(*real) parameters = dlsym(RTLD_NEXT, #name);                                        \
        if (is_watched(file) && fails(writes)) return -1;                                          \
        return real arguments;                                                                     \
    }
ON_FILE(ssize_t, read, (int file, void *to, size_t size), (file, to, size), 0)
ON_FILE(ssize_t, pread, (int file, void *to, size_t size, off_t at), (file, to, size, at), 0)
ON_FILE(ssize_t, pread64, (int file, void *to, size_t size, off64_t at), (file, to, size, at), 0)
ON_FILE(ssize_t, write, (int file, const void *from, size_t size), (file, from, size), 1)
ON_FILE(ssize_t, pwrite, (int file, const void *from, size_t size, off_t at), (file, from, size, at), 1)
ON_FILE(ssize_t, pwrite64, (int file, const void *from, size_t size, off64_t at), (file, from, size, at), 1)
ON_FILE(int, fsync, (int file), (file), 1)
ON_FILE(int, fdatasync, (int file), (file), 1)
ON_FILE(int, ftruncate, (int file, off_t size), (file, size), 1)
ON_FILE(int, ftruncate64, (int file, off64_t size), (file, size), 1)

int unlink(const char *path) {
    int (*real)(const char *) = dlsym(RTLD_NEXT, "unlink");
    if (is_ours(path) && fails(1)) return -1;
    return real(path);
}
