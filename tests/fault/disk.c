/* A disk that can lose power, run full and fail: loaded with LD_PRELOAD into the program under
 * test. It notes in a shared file what of FAULT_DIR has been synced; the harness reads that file
 * after it has killed the program, and takes away what was not. It also delays and fails calls
 * as the harness tells it to, in the same file, and sets the wall clock wrong. Layout and meaning are mirrored in src/lib.rs.
 *
 * What counts as durable, strictly: a file's bytes after fsync or fdatasync of it; a name
 * (created, renamed, made directory) after fsync of its directory. Removal is durable at once.
 * After a sync of a file has failed no later one counts: the kernel forgets what it dropped. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PATH 240
#define FILES 16384
#define RENAMES 4096
#define UNDO_BYTES (32u << 20)
#define FDS 65536

enum { LIVE = 1, NAME_UNSYNCED = 2, DIRECTORY = 4, POISONED = 8 };

struct file {
    char path[PATH];
    uint64_t synced; /* bytes that a sync has covered */
    uint32_t flags;
    uint32_t pad;
};

struct renaming {
    char from[PATH], to[PATH], saved[PATH]; /* saved: what `to` named before, or empty */
    uint64_t active;
};

/* All of it is in the shared file; the harness reads and writes it by offset. */
struct shared {
    /* orders, at fixed places */
    int64_t space;            /* bytes that may still be written, -1 for no limit */
    uint64_t fail_sync_errno; /* syncs of matching files fail, 0 for none */
    char fail_sync[PATH];     /* part of the path, in which * stands for anything */
    uint64_t fail_write_errno;
    char fail_write[PATH];
    uint64_t delay_sync_us; /* syncs of matching files take so much longer, failing ones too */
    char delay_sync[PATH];
    int64_t clock_shift_us; /* added to the wall clock */
    /* notes */
    uint64_t syncs, files, renames, undo_used;
    struct file file[FILES];
    struct renaming renaming[RENAMES];
    unsigned char undo[UNDO_BYTES]; /* records: u64 file, offset, length, active; bytes */
};

static struct shared *shared;
static char root[PATH];
static int fd_file[FDS]; /* index + 1 */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static int (*real_open)(const char *, int, ...);
static int (*real_openat)(int, const char *, int, ...);
static int (*real_close)(int);
static ssize_t (*real_write)(int, const void *, size_t);
static ssize_t (*real_pwrite)(int, const void *, size_t, off_t);
static int (*real_rename)(const char *, const char *);
static int (*real_unlink)(const char *);
static int (*real_mkdir)(const char *, mode_t);
static int (*real_ftruncate)(int, off_t);

static void fail(const char *what) {
    dprintf(2, "fault disk: %s\n", what);
    abort();
}

__attribute__((constructor)) static void start(void) {
    real_open = dlsym(RTLD_NEXT, "open");
    real_openat = dlsym(RTLD_NEXT, "openat");
    real_close = dlsym(RTLD_NEXT, "close");
    real_write = dlsym(RTLD_NEXT, "write");
    real_pwrite = dlsym(RTLD_NEXT, "pwrite64");
    real_rename = dlsym(RTLD_NEXT, "rename");
    real_unlink = dlsym(RTLD_NEXT, "unlink");
    real_mkdir = dlsym(RTLD_NEXT, "mkdir");
    real_ftruncate = dlsym(RTLD_NEXT, "ftruncate64");
    const char *state = getenv("FAULT_STATE"), *dir = getenv("FAULT_DIR");
    if (!state || !dir) return;
    snprintf(root, sizeof root, "%s", dir);
    int fd = real_open(state, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0 || real_ftruncate(fd, sizeof(struct shared))) fail("cannot open FAULT_STATE");
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (shared == MAP_FAILED) fail("cannot map FAULT_STATE");
    real_close(fd);
}

static int tracked(const char *path) {
    size_t n = strlen(root);
    return shared && n && !strncmp(path, root, n) && (path[n] == '/' || !path[n]);
}

static struct file *find(const char *path) {
    for (uint64_t i = shared->files; i-- > 0;)
        if ((shared->file[i].flags & LIVE) && !strcmp(shared->file[i].path, path)) return &shared->file[i];
    return NULL;
}

static struct file *note(const char *path, uint64_t synced, uint32_t flags) {
    if (shared->files == FILES || strlen(path) >= PATH) fail("too many files");
    struct file *f = &shared->file[shared->files];
    snprintf(f->path, PATH, "%s", path);
    f->synced = synced;
    f->flags = flags | LIVE;
    shared->files++;
    return f;
}

static int opened(int fd, const char *path, int existed) {
    if (fd < 0 || fd >= FDS) return fd;
    struct stat st;
    int saved = errno;
    pthread_mutex_lock(&lock);
    if (!fstat(fd, &st)) {
        struct file *f = find(path);
        int dir = S_ISDIR(st.st_mode);
        if (!f) f = note(path, dir ? 0 : (existed ? (uint64_t)st.st_size : 0),
                         (dir ? DIRECTORY : 0) | (existed ? 0 : NAME_UNSYNCED));
        if ((uint64_t)st.st_size < f->synced) f->synced = (uint64_t)st.st_size; /* O_TRUNC */
        fd_file[fd] = (int)(f - shared->file) + 1;
    }
    pthread_mutex_unlock(&lock);
    errno = saved;
    return fd;
}

int open(const char *path, int flags, ...) {
    va_list args;
    va_start(args, flags);
    mode_t mode = (flags & (O_CREAT | O_TMPFILE)) ? va_arg(args, mode_t) : 0;
    va_end(args);
    if (!real_open) real_open = dlsym(RTLD_NEXT, "open");
    if (!tracked(path)) return real_open(path, flags, mode);
    int existed = !access(path, F_OK);
    return opened(real_open(path, flags, mode), path, existed);
}

int open64(const char *path, int flags, ...) {
    va_list args;
    va_start(args, flags);
    mode_t mode = (flags & (O_CREAT | O_TMPFILE)) ? va_arg(args, mode_t) : 0;
    va_end(args);
    return open(path, flags | O_LARGEFILE, mode);
}

int openat(int at, const char *path, int flags, ...) {
    va_list args;
    va_start(args, flags);
    mode_t mode = (flags & (O_CREAT | O_TMPFILE)) ? va_arg(args, mode_t) : 0;
    va_end(args);
    if (!real_openat) real_openat = dlsym(RTLD_NEXT, "openat");
    if (path[0] != '/' || !tracked(path)) return real_openat(at, path, flags, mode);
    return open(path, flags, mode);
}

int openat64(int at, const char *path, int flags, ...) {
    va_list args;
    va_start(args, flags);
    mode_t mode = (flags & (O_CREAT | O_TMPFILE)) ? va_arg(args, mode_t) : 0;
    va_end(args);
    return openat(at, path, flags | O_LARGEFILE, mode);
}

int close(int fd) {
    if (!real_close) real_close = dlsym(RTLD_NEXT, "close");
    if (fd >= 0 && fd < FDS) fd_file[fd] = 0;
    return real_close(fd);
}

static struct file *of(int fd) {
    return shared && fd >= 0 && fd < FDS && fd_file[fd] ? &shared->file[fd_file[fd] - 1] : NULL;
}

static int matches(const struct file *f, const char *part) {
    char pattern[PATH + 2];
    snprintf(pattern, sizeof pattern, "*%s*", part);
    return !fnmatch(pattern, f->path, 0);
}

/* Whether a write may happen; takes its bytes from the space that is left. */
static int admit(struct file *f, size_t n) {
    if (shared->fail_write_errno && matches(f, shared->fail_write)) {
        errno = (int)shared->fail_write_errno;
        return 0;
    }
    if (shared->space >= 0) {
        if (shared->space < (int64_t)n) {
            errno = ENOSPC;
            return 0;
        }
        shared->space -= (int64_t)n;
    }
    return 1;
}

/* Keeps synced bytes that are about to be overwritten. */
static void keep(int fd, struct file *f, uint64_t at, size_t n) {
    if (at >= f->synced) return;
    uint64_t size = f->synced - at < n ? f->synced - at : n;
    if (shared->undo_used + 32 + size > UNDO_BYTES) fail("too much overwritten");
    unsigned char *record = shared->undo + shared->undo_used;
    uint64_t head[4] = {(uint64_t)(f - shared->file), at, size, 1};
    if (pread64(fd, record + 32, size, (off64_t)at) != (ssize_t)size) {
        /* Not open for reading: read it by name. */
        int other = real_open(f->path, O_RDONLY);
        if (other < 0 || pread64(other, record + 32, size, (off64_t)at) != (ssize_t)size) fail("cannot keep bytes");
        real_close(other);
    }
    memcpy(record, head, 32);
    shared->undo_used += 32 + size;
}

ssize_t write(int fd, const void *bytes, size_t n) {
    if (!real_write) real_write = dlsym(RTLD_NEXT, "write");
    struct file *f = of(fd);
    if (!f) return real_write(fd, bytes, n);
    pthread_mutex_lock(&lock);
    ssize_t done = -1;
    if (admit(f, n)) {
        off64_t at = lseek64(fd, 0, SEEK_CUR);
        if (at >= 0 && !(fcntl(fd, F_GETFL) & O_APPEND)) keep(fd, f, (uint64_t)at, n);
        done = real_write(fd, bytes, n);
    }
    pthread_mutex_unlock(&lock);
    return done;
}

ssize_t pwrite64(int fd, const void *bytes, size_t n, off64_t at) {
    if (!real_pwrite) real_pwrite = dlsym(RTLD_NEXT, "pwrite64");
    struct file *f = of(fd);
    if (!f) return real_pwrite(fd, bytes, n, at);
    pthread_mutex_lock(&lock);
    ssize_t done = -1;
    if (admit(f, n)) {
        keep(fd, f, (uint64_t)at, n);
        done = real_pwrite(fd, bytes, n, at);
    }
    pthread_mutex_unlock(&lock);
    return done;
}

ssize_t pwrite(int fd, const void *bytes, size_t n, off_t at) { return pwrite64(fd, bytes, n, at); }

static int parent_is(const char *path, const char *dir) {
    size_t n = strlen(dir);
    return !strncmp(path, dir, n) && path[n] == '/' && !strchr(path + n + 1, '/');
}

/* The real sync is left out: the page cache outlives a killed process. */
static int sync_fd(int fd) {
    struct file *f = of(fd);
    if (!f) return 0;
    if (shared->delay_sync_us && matches(f, shared->delay_sync)) usleep((useconds_t)shared->delay_sync_us);
    pthread_mutex_lock(&lock);
    shared->syncs++;
    if (shared->fail_sync_errno && matches(f, shared->fail_sync)) {
        f->flags |= POISONED;
        pthread_mutex_unlock(&lock);
        errno = (int)shared->fail_sync_errno;
        return -1;
    }
    if (f->flags & DIRECTORY) {
        for (uint64_t i = 0; i < shared->files; i++)
            if (parent_is(shared->file[i].path, f->path)) shared->file[i].flags &= ~(uint32_t)NAME_UNSYNCED;
        for (uint64_t i = 0; i < shared->renames; i++)
            if (parent_is(shared->renaming[i].to, f->path)) shared->renaming[i].active = 0;
    } else if (!(f->flags & POISONED)) {
        struct stat st;
        if (!fstat(fd, &st)) f->synced = (uint64_t)st.st_size;
        for (uint64_t at = 0; at < shared->undo_used;) {
            uint64_t head[4];
            memcpy(head, shared->undo + at, 32);
            if (head[0] == (uint64_t)(f - shared->file)) memset(shared->undo + at + 24, 0, 8);
            at += 32 + head[2];
        }
    }
    pthread_mutex_unlock(&lock);
    return 0;
}

int fsync(int fd) { return sync_fd(fd); }
int fdatasync(int fd) { return sync_fd(fd); }
int sync_file_range(int fd, off64_t at, off64_t n, unsigned flags) {
    (void)fd, (void)at, (void)n, (void)flags;
    return 0;
}

int rename(const char *from, const char *to) {
    if (!real_rename) real_rename = dlsym(RTLD_NEXT, "rename");
    if (!tracked(from)) return real_rename(from, to);
    pthread_mutex_lock(&lock);
    if (shared->renames == RENAMES) fail("too many renames");
    struct renaming *r = &shared->renaming[shared->renames];
    snprintf(r->from, PATH, "%s", from);
    snprintf(r->to, PATH, "%s", to);
    r->saved[0] = 0;
    if (!access(to, F_OK)) {
        snprintf(r->saved, PATH, "%s.saved.%lu", getenv("FAULT_STATE"), (unsigned long)shared->renames);
        real_unlink(r->saved); /* left by an earlier run */
        if (link(to, r->saved)) fail("cannot keep a renamed file");
    }
    r->active = 1;
    shared->renames++;
    int done = real_rename(from, to);
    struct file *moved = find(from), *gone = find(to);
    if (!done && gone) gone->flags &= ~(uint32_t)LIVE;
    if (!done && moved) {
        snprintf(moved->path, PATH, "%s", to);
        /* The name is the renaming's business from now on. */
        moved->flags &= ~(uint32_t)NAME_UNSYNCED;
    }
    pthread_mutex_unlock(&lock);
    return done;
}

int unlink(const char *path) {
    if (!real_unlink) real_unlink = dlsym(RTLD_NEXT, "unlink");
    if (!tracked(path)) return real_unlink(path);
    pthread_mutex_lock(&lock);
    int done = real_unlink(path);
    struct file *f = find(path);
    if (!done && f) f->flags &= ~(uint32_t)LIVE;
    pthread_mutex_unlock(&lock);
    return done;
}

int mkdir(const char *path, mode_t mode) {
    if (!real_mkdir) real_mkdir = dlsym(RTLD_NEXT, "mkdir");
    int done = real_mkdir(path, mode);
    if (!done && tracked(path)) {
        pthread_mutex_lock(&lock);
        note(path, 0, DIRECTORY | NAME_UNSYNCED);
        pthread_mutex_unlock(&lock);
    }
    return done;
}

static int truncated(int fd, off64_t size) {
    if (!real_ftruncate) real_ftruncate = dlsym(RTLD_NEXT, "ftruncate64");
    struct file *f = of(fd);
    int done = real_ftruncate(fd, size);
    if (!done && f && (uint64_t)size < f->synced) f->synced = (uint64_t)size;
    return done;
}

int ftruncate64(int fd, off64_t size) { return truncated(fd, size); }
int ftruncate(int fd, off_t size) { return truncated(fd, size); }

/* gettimeofday stays right: RocksDB waits with it until times that the kernel judges. */
int clock_gettime(clockid_t clock, struct timespec *now) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
    int done = real(clock, now);
    if (done || !shared || !shared->clock_shift_us) return done;
    if (clock != CLOCK_REALTIME && clock != CLOCK_REALTIME_COARSE) return done;
    int64_t ns = now->tv_nsec + shared->clock_shift_us % 1000000 * 1000;
    now->tv_sec += shared->clock_shift_us / 1000000 + (ns < 0 ? -1 : ns / 1000000000);
    now->tv_nsec = (ns + 1000000000) % 1000000000;
    return done;
}
