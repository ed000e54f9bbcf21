/* A disk that is slow, or fails, for what goes through libc: SQLite and
 * PostgreSQL, but not what Go writes by itself. It is loaded by LD_PRELOAD and
 * looks into the folder DRILL_DISK at each call:
 *
 *   slow   milliseconds that each sync takes longer
 *   fail   while it is there, writes and syncs of files end with EIO
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static int path(char *to, size_t n, const char *name) {
	const char *dir = getenv("DRILL_DISK");
	return dir != NULL && snprintf(to, n, "%s/%s", dir, name) < (int)n;
}

static int fails(int fd) {
	char name[512];
	struct stat st;
	if (!path(name, sizeof name, "fail") || access(name, F_OK) != 0)
		return 0;
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
		return 0;
	errno = EIO;
	return 1;
}

static void delay(void) {
	char name[512], text[16] = "";
	if (!path(name, sizeof name, "slow"))
		return;
	int fd = open(name, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	ssize_t n = read(fd, text, sizeof text - 1);
	close(fd);
	long ms = n > 0 ? atol(text) : 0;
	struct timespec t = {ms / 1000, (ms % 1000) * 1000000};
	nanosleep(&t, NULL);
}

#define REAL(type, name, params, args) \
	static type (*real) params; \
	if (real == NULL) \
		real = (type(*) params)dlsym(RTLD_NEXT, #name); \
	if (fails(fd)) \
		return -1; \
	return real args

int fsync(int fd) { delay(); REAL(int, fsync, (int), (fd)); }
int fdatasync(int fd) { delay(); REAL(int, fdatasync, (int), (fd)); }
ssize_t write(int fd, const void *b, size_t n) { REAL(ssize_t, write, (int, const void *, size_t), (fd, b, n)); }
ssize_t pwrite(int fd, const void *b, size_t n, off_t at) { REAL(ssize_t, pwrite, (int, const void *, size_t, off_t), (fd, b, n, at)); }
ssize_t pwrite64(int fd, const void *b, size_t n, off64_t at) { REAL(ssize_t, pwrite64, (int, const void *, size_t, off64_t), (fd, b, n, at)); }
ssize_t pwritev(int fd, const struct iovec *v, int n, off_t at) { REAL(ssize_t, pwritev, (int, const struct iovec *, int, off_t), (fd, v, n, at)); }
int ftruncate(int fd, off_t n) { REAL(int, ftruncate, (int, off_t), (fd, n)); }
int ftruncate64(int fd, off64_t n) { REAL(int, ftruncate64, (int, off64_t), (fd, n)); }
