package io.lockstep.engine.disk;

import io.lockstep.engine.memory.Errno;
import io.lockstep.engine.memory.Posix;

/**
 * The lock that keeps two programs from writing one image: the byte ranges that QEMU's file driver
 * uses, so that QEMU and lockstep, and two locksteps, refuse each other in either direction.
 *
 * <p>Each permission has two bytes of the file: a shared OFD lock on {@code 100 + bit} says that
 * the holder uses the permission, one on {@code 200 + bit} that it does not bear others to. Whoever
 * opens takes its locks first and looks for conflicts after, so that of two that come at once at
 * least one sees the other. The locks go with the descriptor. Source: QEMU's {@code docs/devel} on
 * image locking, and what qemu-img and qemu-nbd were seen to lock ({@code /proc/locks}).
 */
final class ImageLock {
    private static final int USED_BASE = 100;
    private static final int UNSHARED_BASE = 200;

    /** Of the two places of a pair that shares the image; QEMU knows nothing of them. */
    private static final int SHARED_BASE = 300;

    // The bits of QEMU's block permissions.
    private static final int CONSISTENT_READ = 1;
    private static final int WRITE = 1 << 1;
    private static final int WRITE_UNCHANGED = 1 << 2;
    private static final int RESIZE = 1 << 3;

    private static final int BITS = 4;

    private ImageLock() {}

    /**
     * Takes the locks.
     *
     * @return 0, or an error number; {@link Errno#EBUSY} where somebody else has the image
     */
    static int take(final int fd, final boolean readOnly) {
        final int used = readOnly ? CONSISTENT_READ : CONSISTENT_READ | WRITE;
        final int unshared = WRITE | RESIZE | (readOnly ? 0 : WRITE_UNCHANGED);
        int result = lockBits(fd, USED_BASE, used);
        if (result == 0) {
            result = lockBits(fd, UNSHARED_BASE, unshared);
        }
        if (result == 0) {
            result = requireUnlocked(fd, UNSHARED_BASE, used);
        }
        if (result == 0) {
            result = requireUnlocked(fd, USED_BASE, unshared);
        }
        return result;
    }

    /**
     * Takes one of the two places of a pair whose nodes share the image; everybody else is refused,
     * and so is a third. As QEMU sees it both bear nobody, and use nothing.
     *
     * @param isWriter which of the two is tried first
     * @return the place, or a negative error number; that of {@link Errno#EBUSY} where others have
     *     the image
     */
    static int takeShared(final int fd, final boolean isWriter) {
        int result = lockBits(fd, UNSHARED_BASE, CONSISTENT_READ | WRITE);
        if (result == 0) {
            result = requireUnlocked(fd, USED_BASE, CONSISTENT_READ | WRITE);
        }
        if (result != 0) {
            return -result;
        }
        final int first = isWriter ? 0 : 1;
        final int place = takePlace(fd, first);
        return place == -Errno.EBUSY ? takePlace(fd, 1 - first) : place;
    }

    private static int takePlace(final int fd, final int place) {
        int result = lockBits(fd, SHARED_BASE, 1 << place);
        if (result == 0) {
            result = requireUnlocked(fd, SHARED_BASE, 1 << place);
        }
        if (result != 0) {
            Posix.lockRange(fd, Posix.F_UNLCK, SHARED_BASE + place, 1);
        }
        return result == 0 ? place : -result;
    }

    /**
     * Has another descriptor of an image hold what one with that place holds, before that goes.
     *
     * @return 0, or an error number
     */
    static int keepPlace(final int fd, final int place) {
        final int result = lockBits(fd, UNSHARED_BASE, CONSISTENT_READ | WRITE);
        return result == 0 ? lockBits(fd, SHARED_BASE, 1 << place) : result;
    }

    private static int lockBits(final int fd, final int base, final int bits) {
        for (int bit = 0; bit < BITS; bit++) {
            if ((bits & 1 << bit) != 0) {
                final int result = Posix.lockRange(fd, Posix.F_RDLCK, base + bit, 1);
                if (result < 0) {
                    return result == -Errno.EAGAIN || result == -Errno.EACCES
                            ? Errno.EBUSY
                            : -result;
                }
            }
        }
        return 0;
    }

    private static int requireUnlocked(final int fd, final int base, final int bits) {
        for (int bit = 0; bit < BITS; bit++) {
            if ((bits & 1 << bit) != 0) {
                final int result = Posix.testLock(fd, Posix.F_WRLCK, base + bit, 1);
                if (result != 0) {
                    return result > 0 ? Errno.EBUSY : -result;
                }
            }
        }
        return 0;
    }
}
