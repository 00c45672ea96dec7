/* Records the file operations of a process, so that a power cut can be simulated afterwards.
 *
 * Preloaded into a process (LD_PRELOAD), it writes each write, truncation, sync, creation, rename and removal of a file
 * below POWERCUT_ROOT to POWERCUT_LOG, in the order in which they happened; disk.py reads the log. Nothing else changes
 * for the process, except where it is told to fail:
 *
 *   POWERCUT_AT=N         the process dies before its Nth operation
 *   POWERCUT_FAIL_SYNC=N  its Nth sync fails with EIO, and the data that it should have written is lost (as on Linux,
 *                         where the pages are marked clean: Rebello et al., USENIX ATC 2020)
 *   POWERCUT_IGNORE_SYNCS=1  syncs do nothing, as with a faulty memory card or synchronous=OFF
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define FILES 4096
#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static char *paths[FILES]; /* of the files below the root, by descriptor */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int log_fd = -1;
static long operations, syncs;

static long setting(const char *name) { return getenv(name) ? atol(getenv(name)) : 0; }

/* Returns the absolute path if it is below the root, for the caller to free, or NULL. SQLite's shared memory is left
 * out: it never outlives a cut. */
static char *below_root(const char *path) {
    const char *root = getenv("POWERCUT_ROOT");
    char whole[PATH_MAX], folder[PATH_MAX] = "";
    size_t length = strlen(path);
    if (!root || (length > 4 && !strcmp(path + length - 4, "-shm"))) return NULL;
    if (path[0] != '/' && (!getcwd(folder, sizeof folder) || strlen(folder) + length + 2 > PATH_MAX)) return NULL;
    if (path[0] != '/') strcat(folder, "/");
    strcat(strcpy(whole, folder), path);
    return strncmp(whole, root, strlen(root)) ? NULL : strdup(whole);
}

static const char *path_of(int fd) { return fd >= 0 && fd < FILES ? paths[fd] : NULL; }

/* Writes one record: kind, length of the path, offset, length of the data, path, data. Called with the lock held. */
static void record(char kind, const char *path, int64_t offset, const void *data, uint64_t length) {
    struct { char kind; char pad[3]; uint32_t path_length; int64_t offset; uint64_t length; } head = {
        kind, {0}, (uint32_t)strlen(path), offset, length};
    struct iovec parts[] = {{&head, sizeof head}, {(void *)path, head.path_length}, {(void *)data, length}};
    if (log_fd < 0) {
        log_fd = REAL(open64)(getenv("POWERCUT_LOG"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        if (log_fd < 0) abort();
    }
    if (++operations == setting("POWERCUT_AT")) kill(getpid(), SIGKILL);
    if (writev(log_fd, parts, 3) < 0) abort();
}

static int opened(int fd, const char *path, char how) {
    char *tracked = fd >= 0 && fd < FILES ? below_root(path) : NULL;
    if (tracked) {
        pthread_mutex_lock(&lock);
        if (how) record(how, tracked, 0, NULL, 0);
        free(paths[fd]);
        paths[fd] = tracked;
        pthread_mutex_unlock(&lock);
    }
    return fd;
}

#define OPEN(name)                                                                \
    int name(const char *path, int flags, ...) {                                  \
        va_list rest;                                                             \
        va_start(rest, flags);                                                    \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0;   \
        va_end(rest);                                                             \
        char how = access(path, F_OK) ? 'C' : flags & O_TRUNC ? 'T' : 0;          \
        return opened(REAL(name)(path, flags, mode), path, how);                  \
    }
OPEN(open)
OPEN(open64)

int close(int fd) {
    if (path_of(fd)) {
        free(paths[fd]);
        paths[fd] = NULL;
    }
    return REAL(close)(fd);
}

#define WITH_LOCK(type, work)         \
    pthread_mutex_lock(&lock);        \
    type result = work;               \
    pthread_mutex_unlock(&lock);      \
    return result

#define PWRITE(name, offset_t)                                                    \
    ssize_t name(int fd, const void *data, size_t length, offset_t offset) {      \
        if (!path_of(fd)) return REAL(name)(fd, data, length, offset);            \
        WITH_LOCK(ssize_t, (record('W', paths[fd], offset, data, length),         \
                            REAL(name)(fd, data, length, offset)));               \
    }
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

ssize_t write(int fd, const void *data, size_t length) {
    if (!path_of(fd)) return REAL(write)(fd, data, length);
    off_t end = fcntl(fd, F_GETFL) & O_APPEND ? lseek(fd, 0, SEEK_END) : lseek(fd, 0, SEEK_CUR);
    WITH_LOCK(ssize_t, (record('W', paths[fd], end, data, length), REAL(write)(fd, data, length)));
}

#define TRUNCATE(name, offset_t)                                                                       \
    int name(int fd, offset_t length) {                                                                \
        if (!path_of(fd)) return REAL(name)(fd, length);                                               \
        WITH_LOCK(int, (record('T', paths[fd], length, NULL, 0), REAL(name)(fd, length)));             \
    }
TRUNCATE(ftruncate, off_t)
TRUNCATE(ftruncate64, off64_t)

static int sync_fails(int fd) {
    if (++syncs != setting("POWERCUT_FAIL_SYNC")) return 0;
    record('F', paths[fd], 0, NULL, 0);
    errno = EIO;
    return 1;
}

static int synced(int fd) {
    if (!setting("POWERCUT_IGNORE_SYNCS")) record('S', paths[fd], 0, NULL, 0);
    return 0; /* the disk of the test machine need not be waited for: only the record counts */
}

#define SYNC(name)                                                 \
    int name(int fd) {                                             \
        if (!path_of(fd)) return REAL(name)(fd);                   \
        WITH_LOCK(int, sync_fails(fd) ? -1 : synced(fd));          \
    }
SYNC(fsync)
SYNC(fdatasync)

int unlink(const char *path) {
    char *tracked = below_root(path);
    if (!tracked) return REAL(unlink)(path);
    WITH_LOCK(int, (record('U', tracked, 0, NULL, 0), free(tracked), REAL(unlink)(path)));
}

int rename(const char *from, const char *to) {
    char *tracked = below_root(from), *target = below_root(to);
    if (!tracked || !target) return free(tracked), free(target), REAL(rename)(from, to);
    WITH_LOCK(int, (record('R', tracked, 0, target, strlen(target)), free(tracked), free(target),
                    REAL(rename)(from, to)));
}
