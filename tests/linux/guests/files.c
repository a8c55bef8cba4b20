// Files, directories and descriptors.
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/xattr.h>

#include "check.h"

static void contents(void) {
    int fd = open("f", O_RDWR | O_CREAT | O_EXCL, 0640);
    CHECK(fd >= 0);
    CHECK_FAILS(open("f", O_RDWR | O_CREAT | O_EXCL, 0640), EEXIST);
    struct iovec pieces[] = {{"hello ", 6}, {"world", 5}};
    CHECK(writev(fd, pieces, 2) == 11);
    char a[4], b[16] = "";
    struct iovec halves[] = {{a, 4}, {b, 16}};
    CHECK(preadv(fd, halves, 2, 0) == 11 && memcmp(a, "hell", 4) == 0 && strcmp(b, "o world") == 0);
    CHECK(pwrite(fd, "W", 1, 6) == 1 && pread(fd, a, 4, 5) == 4 && memcmp(a, " Wor", 4) == 0);
    CHECK(lseek(fd, -5, SEEK_END) == 6 && read(fd, b, 16) == 5 && read(fd, b, 16) == 0);
    CHECK(ftruncate(fd, 100) == 0 && lseek(fd, 0, SEEK_DATA) == 0);
    CHECK_FAILS(lseek(fd, -1, SEEK_SET), EINVAL);
    struct stat facts;
    CHECK(fstat(fd, &facts) == 0 && facts.st_size == 100 && facts.st_nlink == 1 && S_ISREG(facts.st_mode));
    CHECK((facts.st_mode & 0777) == 0640 && facts.st_blksize == 4096 && facts.st_uid == geteuid());
    struct timespec times[2] = {{1000000000, 5}, {1234567890, 123456789}};
    CHECK(futimens(fd, times) == 0 && stat("f", &facts) == 0);
    CHECK(facts.st_atim.tv_sec == 1000000000 && facts.st_mtim.tv_nsec == 123456789);
    struct statx extended;
    CHECK(statx(AT_FDCWD, "f", 0, STATX_ALL, &extended) == 0 && extended.stx_size == 100);
    CHECK(extended.stx_mtime.tv_sec == 1234567890);
    struct statfs system;
    CHECK(fstatfs(fd, &system) == 0 && system.f_bsize > 0 && system.f_namelen == 255);
    CHECK(fallocate(fd, 0, 0, 4096) == 0 && fsync(fd) == 0 && flock(fd, LOCK_EX) == 0 &&
          flock(fd, LOCK_UN) == 0);
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 10};
    CHECK(fcntl(fd, F_SETLK, &lock) == 0 && fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type == F_UNLCK);
    int other = open("g", O_RDWR | O_CREAT, 0600);
    off_t from = 0;
    CHECK(sendfile(other, fd, &from, 11) == 11 && from == 11);
    loff_t in = 0, out = 20;
    CHECK(copy_file_range(fd, &in, other, &out, 11, 0) == 11 && out == 31);
    CHECK(pread(other, b, 5, 26) == 5 && memcmp(b, "World", 5) == 0);
    CHECK(close(fd) == 0 && close(other) == 0);
    CHECK_FAILS(close(fd), EBADF);
}

static void names(void) {
    CHECK(mkdir("d", 0755) == 0 && symlink("../f", "d/link") == 0 && link("f", "d/hard") == 0);
    char target[100] = "";
    CHECK(readlink("d/link", target, sizeof target) == 4 && strcmp(target, "../f") == 0);
    struct stat facts;
    CHECK(lstat("d/link", &facts) == 0 && S_ISLNK(facts.st_mode) && facts.st_size == 4);
    CHECK(stat("d/link", &facts) == 0 && S_ISREG(facts.st_mode) && facts.st_nlink == 2);
    CHECK(rename("d/hard", "d/renamed") == 0);
    CHECK_FAILS(access("d/hard", F_OK), ENOENT);
    CHECK(access("d/renamed", R_OK | W_OK) == 0);
    CHECK_FAILS(syscall(SYS_renameat2, AT_FDCWD, "f", AT_FDCWD, "g", 1 /* RENAME_NOREPLACE */), EEXIST);
    CHECK(chmod("f", 0600) == 0 && mkfifo("d/fifo", 0600) == 0);
    CHECK_FAILS(rmdir("d"), ENOTEMPTY);
    CHECK_FAILS(open("f/x", O_RDONLY), ENOTDIR);
    DIR* directory = opendir("d");
    int count = 0;
    for (struct dirent* entry; (entry = readdir(directory)) != NULL; ++count)
        if (strcmp(entry->d_name, "fifo") == 0) CHECK(entry->d_type == DT_FIFO);
    CHECK(count == 5);
    int at = dirfd(directory);
    CHECK(unlinkat(at, "fifo", 0) == 0 && unlinkat(at, "link", 0) == 0 && unlinkat(at, "renamed", 0) == 0);
    closedir(directory);
    CHECK(mkdir("e", 0700) == 0 && chdir("e") == 0 && getcwd(target, sizeof target) != NULL);
    CHECK(strcmp(strrchr(target, '/'), "/e") == 0 && chdir("..") == 0);
    CHECK(rmdir("e") == 0 && rmdir("d") == 0);
    if (setxattr("f", "user.note", "value", 5, 0) == 0) {
        CHECK(getxattr("f", "user.note", target, sizeof target) == 5 && memcmp(target, "value", 5) == 0);
        CHECK(removexattr("f", "user.note") == 0);
    }
    CHECK(umask(027) == 022 && umask(022) == 027);
    CHECK(truncate("g", 3) == 0 && stat("g", &facts) == 0 && facts.st_size == 3);
    char longest[5000];
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = 0;
    CHECK_FAILS(open(longest, O_RDONLY), ENAMETOOLONG);
    longest[0] = '/';
    CHECK_FAILS(open(longest, O_RDONLY), ENAMETOOLONG);
    CHECK_FAILS(open("", O_RDONLY), ENOENT);
}

static void descriptors(void) {
    int ends[2];
    CHECK(pipe2(ends, O_NONBLOCK | O_CLOEXEC) == 0);
    char byte;
    CHECK_FAILS(read(ends[0], &byte, 1), EAGAIN);
    CHECK((fcntl(ends[0], F_GETFL) & O_NONBLOCK) && fcntl(ends[0], F_GETFD) == FD_CLOEXEC);
    CHECK(fcntl(ends[0], F_SETFL, 0) == 0 && !(fcntl(ends[0], F_GETFL) & O_NONBLOCK));
    int copy = fcntl(ends[1], F_DUPFD_CLOEXEC, 50);
    CHECK(copy == 50 && write(copy, "ab", 2) == 2 && read(ends[0], &byte, 1) == 1 && byte == 'a');
    int waiting;
    CHECK(ioctl(ends[0], FIONREAD, &waiting) == 0 && waiting == 1);
    CHECK_FAILS(ioctl(ends[0], TCGETS, &waiting), ENOTTY);
    CHECK_FAILS(ioctl(99, TCGETS, &waiting), EBADF);
    CHECK_FAILS(dup3(copy, copy, 0), EINVAL);
    CHECK(dup3(copy, 60, 0) == 60);
    int more[2];
    CHECK(pipe(more) == 0 && tee(ends[0], more[1], 10, 0) == 1);
    CHECK(splice(ends[0], NULL, more[1], NULL, 10, 0) == 1 && read(more[0], &byte, 1) == 1 && byte == 'b');
    signal(SIGPIPE, SIG_IGN);
    close(more[0]);
    CHECK_FAILS(write(more[1], "x", 1), EPIPE);
    int memory = memfd_create("m", MFD_ALLOW_SEALING);
    CHECK(memory >= 0 && ftruncate(memory, 4096) == 0 && fcntl(memory, F_ADD_SEALS, F_SEAL_GROW) == 0);
    CHECK_FAILS(ftruncate(memory, 8192), EPERM);
    CHECK(syscall(SYS_close_range, 3, ~0u, 0) == 0);
    CHECK_FAILS(fcntl(60, F_GETFD), EBADF);
    // What the emulator keeps for itself still works.
    CHECK(open("/", O_RDONLY) == 3 && close(3) == 0);
}

int main(void) {
    char place[] = "/tmp/files.XXXXXX";
    umask(022);
    CHECK(mkdtemp(place) != NULL && chdir(place) == 0);
    contents();
    names();
    descriptors();
    unlink("f");
    unlink("g");
    CHECK(chdir("/") == 0 && rmdir(place) == 0);
    return verdict();
}
