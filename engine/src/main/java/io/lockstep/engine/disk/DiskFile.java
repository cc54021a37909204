package io.lockstep.engine.disk;

import io.lockstep.engine.memory.Errno;
import io.lockstep.engine.memory.FileStatus;
import io.lockstep.engine.memory.Posix;
import io.lockstep.engine.node.DiskIdentity;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Consumer;

/**
 * An open, locked file or block device with what is known of it: what the loops' {@link FileDisk}s
 * of one disk share. Opened and closed by one thread; the rest from any.
 *
 * <p>It keeps the length that it had when it was opened, or is given one. What others append is not
 * seen before somebody says so ({@link #lengthen}). What they cut off is lost until the disk is
 * opened anew, even where the file is made long again: what would be read there are zeroes that
 * nobody wrote. A file whose path was given to another one, or removed, is gone on with: it is the
 * open one that is locked.
 */
public final class DiskFile implements AutoCloseable {
    private static final int MODE_TYPE = 0xf000;
    private static final int MODE_REGULAR = 0x8000;
    private static final int MODE_BLOCK_DEVICE = 0x6000;
    private static final int MODE_DIRECTORY = 0x4000;

    /** No sector is longer, in bytes. */
    private static final int UNIT_MAX = 4096;

    /** File systems have no smaller holes, in bytes, but for some that have no holes. */
    private static final int HOLE_UNIT = 4096;

    private final String name;
    private final Path path;
    private final int fd;
    private volatile long length;
    private final DiskAccess access;
    private final int place;

    /** Whether the other node of the pair writes it, and this one's descriptor can't. */
    private boolean isOnlyRead;

    private final boolean blockDevice;
    private final int sectorLength;
    private final int unitLength;
    private final boolean memoryBacked;
    private final boolean rotational;
    private final String backing;

    /** Counts zeroes and discards, so that a loop notices that others made holes. */
    private final AtomicInteger holeGeneration = new AtomicInteger();

    /** As much from the front as was there whenever somebody looked. */
    private final AtomicLong wholeLength;

    private final DevicePace pace = new DevicePace();
    private final boolean hasName;
    private final AtomicBoolean isNameLost = new AtomicBoolean();
    private volatile Consumer<String> onChange = sentence -> {};

    /** A failed flush stays failed: the kernel tells of lost writes once, and then forgets them. */
    private volatile int flushErrno;

    private DiskFile(final Builder builder) {
        name = builder.name;
        path = builder.path;
        fd = builder.fd;
        length = builder.length;
        access = builder.access;
        place = builder.place;
        isOnlyRead = access.sharing() == DiskAccess.Sharing.READER;
        blockDevice = builder.blockDevice;
        sectorLength = builder.sectorLength;
        unitLength = builder.unitLength;
        memoryBacked = builder.memoryBacked;
        rotational = builder.rotational;
        wholeLength = new AtomicLong(length);
        hasName = FileStatus.linkCount(fd) > 0;
        backing = builder.backing;
    }

    /**
     * Opens and locks a disk's backing store.
     *
     * @param name the disk's name, for messages
     * @param path a regular file or a block device
     * @param readOnly to refuse all changes
     * @throws DiskException where it can't be had; the message says why and what to do
     */
    public static DiskFile open(final String name, final Path path, final boolean readOnly)
            throws DiskException {
        return open(name, path, DiskAccess.PLAIN.readOnly(readOnly));
    }

    /**
     * The same in another way.
     *
     * @throws DiskException as above, and where the file can't be used in this way
     */
    public static DiskFile open(final String name, final Path path, final DiskAccess access)
            throws DiskException {
        return new Builder(name, path, access).open();
    }

    /** The disk's name. */
    public String name() {
        return name;
    }

    /** Where it lies. */
    public Path path() {
        return path;
    }

    /** What tells it from another disk in its place. */
    public DiskIdentity identity() {
        return new DiskIdentity(name, length, backing);
    }

    int fd() {
        return fd;
    }

    /** The length in bytes that is used, whatever the file has behind that. */
    public long length() {
        return length;
    }

    /**
     * A file that has become longer since a record of it was made is as long as that says, until
     * somebody has it {@link #lengthen}. Before it is used.
     *
     * @param recorded in bytes; one that is longer than the file means nothing
     */
    public void keepTo(final long recorded) {
        if (recorded < length) {
            length = recorded;
            wholeLength.set(recorded);
        }
    }

    /** How long the file, or device, is now, in bytes; of one that was cut, what it had left. */
    long lengthThere() {
        final long present = Posix.lseek(fd, 0, Posix.SEEK_END);
        final long whole = wholeLength.get();
        return present < 0 || whole < length ? whole : present;
    }

    /** Whether the file has nothing but a hole behind what is used; of a device nobody knows. */
    boolean isHoleBehind() {
        final long whole = (length + HOLE_UNIT - 1) / HOLE_UNIT * HOLE_UNIT;
        return !blockDevice
                && Posix.lseek(fd, whole, Posix.SEEK_DATA) == -Errno.ENXIO
                && isZero(length, whole);
    }

    /** Whether a part of a block, to its end or to that of the file, is zero. */
    private boolean isZero(final long from, final long to) {
        try (Arena arena = Arena.ofConfined()) {
            final MemorySegment rest = arena.allocate(HOLE_UNIT);
            final long count = Posix.pread(fd, rest.address(), to - from, from);
            return count >= 0 && rest.mismatch(arena.allocate(HOLE_UNIT)) < 0;
        }
    }

    /** So much of it is used from now on; of one that was cut short the rest stays lost. */
    void lengthen(final long newLength) {
        final long before = length;
        length = newLength;
        wholeLength.compareAndSet(before, newLength);
    }

    /**
     * Says who hears, in a sentence, that others have changed the file: once that it is shorter,
     * once that its path is another's. From any thread.
     */
    public void onChange(final Consumer<String> listener) {
        onChange = listener;
    }

    /** How much from the front may be used; the rest is lost. In bytes. */
    long wholeLength() {
        return wholeLength.get();
    }

    /** Looks how long the file is now, and answers {@link #wholeLength}. */
    long look() {
        final long present = Posix.lseek(fd, 0, Posix.SEEK_END);
        if (present >= 0 && present < wholeLength.get()) {
            lose(present);
        }
        return wholeLength.get();
    }

    private void lose(final long present) {
        if (wholeLength.getAndAccumulate(present, Math::min) == length) {
            onChange.accept(
                    "disk "
                            + name
                            + ": "
                            + path
                            + " was cut to "
                            + present
                            + " bytes, it had "
                            + length
                            + "; reads and writes behind that fail until the disk is opened anew");
        }
    }

    /** Looks whether the file still has a name. */
    void lookForName() {
        if (hasName && FileStatus.linkCount(fd) == 0 && isNameLost.compareAndSet(false, true)) {
            onChange.accept(
                    "disk "
                            + name
                            + ": "
                            + path
                            + " was replaced or removed; the file that was opened is used on, and"
                            + " is gone when it is closed");
        }
    }

    /** Whether all changes are refused. */
    public boolean isReadOnly() {
        return access.isReadOnly();
    }

    /**
     * A file that the other node of the pair wrote is this one's from now on; harmless where it is.
     * The same descriptor can write then.
     *
     * @throws DiskException where it can't be opened for that
     */
    public void takeOver() throws DiskException {
        if (isOnlyRead) {
            openAgain(Posix.O_RDWR);
            isOnlyRead = false;
        }
    }

    /**
     * A file that the two nodes of a pair share is the other one's to write, until it is taken
     * over; harmless where that is known.
     *
     * @throws DiskException where it can't be opened for that
     */
    public void onlyRead() throws DiskException {
        if (!isOnlyRead) {
            openAgain(Posix.O_RDONLY);
            isOnlyRead = true;
        }
    }

    /** What the descriptor stands for is opened in another way, whatever has its name now. */
    private void openAgain(final int mode) throws DiskException {
        final int flags = mode | Posix.O_CLOEXEC | (access.isDirect() ? Posix.O_DIRECT : 0);
        final int opened = Posix.open("/proc/self/fd/" + fd, flags);
        if (opened < 0) {
            throw takeOverFailure(Errno.meaning(-opened));
        }
        final int errno = ImageLock.keepPlace(opened, place);
        if (errno == 0) {
            Posix.replace(fd, opened);
        }
        Posix.close(opened);
        if (errno != 0) {
            throw takeOverFailure("it cannot be locked: " + Errno.meaning(errno));
        }
    }

    private DiskException takeOverFailure(final String reason) {
        return new DiskException("disk " + name + ": cannot open " + path + " anew", reason);
    }

    /** Whether it is a device, and no file. */
    public boolean isBlockDevice() {
        return blockDevice;
    }

    /** The device's logical sector, in bytes; 1 for a file. */
    int sectorLength() {
        return sectorLength;
    }

    /**
     * What offsets and lengths of reads and writes must be multiples of, in bytes; 1 where they go
     * through the page cache.
     */
    int unitLength() {
        return unitLength;
    }

    /** Whether it lies in memory, so that no call waits for a device. */
    public boolean isMemoryBacked() {
        return memoryBacked;
    }

    /** Whether what lies in memory may be mapped: nobody else punches holes into it. */
    boolean isMappable() {
        return memoryBacked && !access.isDirect() && access.sharing() == DiskAccess.Sharing.NONE;
    }

    /** How it is used. */
    public DiskAccess access() {
        return access;
    }

    boolean isRotational() {
        return rotational;
    }

    /** Whether its calls return at once, for all loops that use it. */
    DevicePace pace() {
        return pace;
    }

    AtomicInteger holeGeneration() {
        return holeGeneration;
    }

    /** Reads all of a range, waiting for the device. Answers 0 or an error number. */
    int read(final long address, final long length, final long offset) {
        long done = 0;
        while (done < length) {
            final long count = Posix.pread(fd, address + done, length - done, offset + done);
            if (count <= 0) {
                look(); // perhaps it has been cut short under us
                return count == 0 ? Errno.ENXIO : (int) -count;
            }
            done += count;
        }
        return 0;
    }

    /** Writes all of a range. Answers 0 or an error number. */
    int write(final long address, final long length, final long offset) {
        return Posix.writeAll(fd, address, length, offset);
    }

    /** Flushes now, waiting for the device. Answers 0 or an error number. */
    public int flush() {
        if (flushErrno == 0) {
            final int result = Posix.fdatasync(fd);
            if (result < 0) {
                flushErrno = -result;
            }
        }
        return flushErrno;
    }

    /** Gives the lock back. No operation may be under way. */
    @Override
    public void close() {
        Posix.close(fd);
    }

    /** Collects what is known of the file while it is being opened. */
    private static final class Builder {
        private final String name;
        private final Path path;
        private final DiskAccess access;
        private int place;
        private int fd;
        private long length;
        private boolean blockDevice;
        private int sectorLength = 1;
        private int unitLength = 1;
        private boolean memoryBacked;
        private boolean rotational;
        private String backing = "";

        Builder(final String name, final Path path, final DiskAccess access) {
            this.name = name;
            this.path = path;
            this.access = access;
        }

        DiskFile open() throws DiskException {
            final Map<String, Object> attributes = attributes();
            final int type = (int) attributes.get("mode") & MODE_TYPE;
            if (type == MODE_DIRECTORY) {
                throw failure("it is a directory; name a file or a block device");
            }
            if (type != MODE_REGULAR && type != MODE_BLOCK_DEVICE) {
                throw failure("it is neither a regular file nor a block device");
            }
            blockDevice = type == MODE_BLOCK_DEVICE;
            final int flags =
                    (access.opensToRead() ? Posix.O_RDONLY : Posix.O_RDWR)
                            | (access.isDirect() ? Posix.O_DIRECT : 0)
                            | Posix.O_CLOEXEC;
            // To keep when it was read last is a write, for which a read that must not wait does.
            fd = Posix.open(path.toString(), flags | Posix.O_NOATIME);
            if (fd == -Errno.EPERM) { // it is another user's
                fd = Posix.open(path.toString(), flags);
            }
            if (fd < 0) {
                throw openFailure(-fd);
            }
            boolean opened = false;
            try {
                lock();
                measure(attributes);
                opened = true;
                return new DiskFile(this);
            } finally {
                if (!opened) {
                    Posix.close(fd);
                }
            }
        }

        private Map<String, Object> attributes() throws DiskException {
            try {
                return Files.readAttributes(path, "unix:mode,size,dev,rdev");
            } catch (final java.nio.file.NoSuchFileException e) {
                throw failure("no such file; make one with: truncate -s 10G " + path);
            } catch (final java.nio.file.AccessDeniedException e) {
                throw failure("permission denied");
            } catch (final IOException e) {
                throw failure(e.getMessage());
            }
        }

        private DiskException openFailure(final int errno) {
            if (errno == Errno.EINVAL && access.isDirect()) {
                return failure(
                        "it can't be used past the page cache (O_DIRECT), its file system doesn't"
                                + " do that");
            }
            final String hint =
                    switch (errno) {
                        case Errno.EACCES, Errno.EPERM, Errno.EROFS ->
                                access.opensToRead()
                                        ? ""
                                        : "; make it writable for this user, or open it read-only";
                        case Errno.EMFILE -> "; raise the limit on open files (ulimit -n)";
                        default -> "";
                    };
            final boolean hasNoDevice = errno == Errno.ENXIO || errno == Errno.ENODEV;
            return failure((hasNoDevice ? "no such device" : Errno.meaning(errno)) + hint);
        }

        private void lock() throws DiskException {
            final int errno = takeLock();
            if (errno == Errno.EBUSY) {
                throw failure("it is in use by another lockstep or QEMU; stop that one first");
            }
            if (errno != 0) {
                throw failure("it cannot be locked: " + Errno.meaning(errno));
            }
        }

        private int takeLock() {
            if (access.sharing() == DiskAccess.Sharing.NONE) {
                return ImageLock.take(fd, access.isReadOnly());
            }
            place = ImageLock.takeShared(fd, access.sharing() == DiskAccess.Sharing.WRITER);
            return Math.max(0, -place);
        }

        private void measure(final Map<String, Object> attributes) throws DiskException {
            if (blockDevice) {
                length = deviceNumber(Posix.BLKGETSIZE64, "its size");
                if (length == 0) {
                    throw failure(
                            "the device is empty; attach something to it, or insert a medium");
                }
                sectorLength = (int) deviceNumber(Posix.BLKSSZGET, "its sector size");
                requireWritableDevice();
            } else {
                length = (long) attributes.get("size");
                final long type = Posix.fileSystemType(fd);
                memoryBacked =
                        type == Posix.TMPFS_MAGIC
                                || type == Posix.RAMFS_MAGIC
                                || type == Posix.HUGETLBFS_MAGIC;
            }
            if (access.isDirect()) {
                unitLength = unit();
            }
            final Path device = sysfs((long) attributes.get(blockDevice ? "rdev" : "dev"));
            rotational = isOne(device, "queue/rotational") || isOne(device, "../queue/rotational");
            backing = blockDevice ? Backing.ofDevice(device) : Backing.ofFile(fd);
        }

        /** Where nobody tells, a device's sector does, and for a file the largest that there is. */
        private int unit() throws DiskException {
            final int told = FileStatus.directAlignment(fd);
            final int unit = told > 0 ? told : blockDevice ? sectorLength : UNIT_MAX;
            if (told == 0) {
                throw failure("it can't be used past the page cache (O_DIRECT)");
            }
            if (length % unit != 0) {
                throw failure(
                        "it has "
                                + length
                                + " bytes, and what is used past the page cache (O_DIRECT) must"
                                + " have a multiple of "
                                + unit);
            }
            return unit;
        }

        /** A read-only device can be opened for writing: it refuses the writes. */
        private void requireWritableDevice() throws DiskException {
            final int isReadOnly = (int) deviceNumber(Posix.BLKROGET, "whether it is read-only");
            if (isReadOnly != 0 && !access.opensToRead()) {
                throw failure("the device is read-only; open it read-only");
            }
        }

        private long deviceNumber(final long request, final String what) throws DiskException {
            final long number = Posix.ioctlLong(fd, request);
            if (number < 0) {
                throw failure("it does not tell " + what + ": " + Errno.meaning((int) -number));
            }
            return number;
        }

        private DiskException failure(final String reason) {
            return new DiskException("disk " + name + ": cannot open " + path, reason);
        }

        /** A device in sysfs, where a partition's queue is its parent's. */
        private static Path sysfs(final long device) {
            final long major = (device >> 8 & 0xfff) | (device >> 32 & ~0xfffL);
            final long minor = (device & 0xff) | (device >> 12 & ~0xffL);
            return Path.of("/sys/dev/block", major + ":" + minor); // source: sysfs-block
        }

        private static boolean isOne(final Path block, final String attribute) {
            try {
                return Files.readString(block.toRealPath().resolve(attribute)).startsWith("1");
            } catch (final IOException e) {
                return false; // no such device or attribute: not known to be rotational
            }
        }
    }
}
