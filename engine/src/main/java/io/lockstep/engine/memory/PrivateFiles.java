package io.lockstep.engine.memory;

import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Map;
import java.util.Set;

/**
 * Makes and opens what only the user of this process may see, whatever the umask: directories of
 * mode 0700, files of mode 0600. Buffers hold what a disk holds, and often lie where everybody can
 * write: what was put there before by somebody else is refused with a sentence, and a symbolic link
 * is never followed.
 *
 * <p>Stateless, from any thread. Source: {@code open(2)}, {@code umask(2)}; on links in shared
 * directories, {@code fs.protected_symlinks} of {@code proc_sys_fs(5)}.
 */
public final class PrivateFiles {
    private static final int FILE_MODE = 0600;
    private static final FileAttribute<Set<PosixFilePermission>> DIRECTORY_MODE =
            PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------"));

    private static final int MODE_TYPE = 0170000;
    private static final int MODE_REGULAR = 0100000;
    private static final int MODE_DIRECTORY = 0040000;
    private static final int MODE_PERMISSIONS = 07777;
    private static final int MODE_OTHERS_WRITE = 022;
    private static final int UMASK_OTHERS = 07;
    private static final int UMASK_ALL = 077;

    private PrivateFiles() {}

    /**
     * Opens a file for reading and writing, made if there is none. One that is there must be a
     * regular file of this user's with one name; its mode becomes 0600 if it wasn't.
     *
     * @return its descriptor, the caller's to close
     * @throws IOException with a sentence that names the file
     */
    public static int open(final Path path) throws IOException {
        final int fd =
                Posix.open(
                        path.toString(),
                        Posix.O_RDWR | Posix.O_CREAT | Posix.O_NOFOLLOW | Posix.O_CLOEXEC,
                        FILE_MODE);
        if (fd == -Errno.ELOOP) {
            throw new IOException(path + " is a symbolic link; remove it or choose another place");
        }
        if (fd < 0) {
            throw new IOException("cannot open " + path + ": " + Errno.meaning(-fd));
        }
        boolean opened = false;
        try {
            requireOwn(path, fd);
            opened = true;
            return fd;
        } finally {
            if (!opened) {
                Posix.close(fd);
            }
        }
    }

    /**
     * The length of a file that {@link #open} would open; it is looked at in the same way.
     *
     * @return in bytes; 0 where there is none
     * @throws IOException with a sentence that names the file
     */
    public static long length(final Path path) throws IOException {
        if (!Files.exists(path, LinkOption.NOFOLLOW_LINKS)) {
            return 0;
        }
        final int fd = open(path);
        try {
            return Posix.lseek(fd, 0, Posix.SEEK_END);
        } finally {
            Posix.close(fd);
        }
    }

    /** Looks at what was opened: the path may name something else by now. */
    private static void requireOwn(final Path path, final int fd) throws IOException {
        final Path open = Path.of("/proc/self/fd/" + fd);
        final Map<String, Object> attributes = Files.readAttributes(open, "unix:uid,mode,nlink");
        final int mode = (int) attributes.get("mode");
        if ((mode & MODE_TYPE) != MODE_REGULAR) {
            throw new IOException(path + " is no regular file; remove it or choose another place");
        }
        if ((int) attributes.get("uid") != Posix.geteuid()) {
            throw new IOException(
                    path
                            + " belongs to "
                            + Files.getOwner(open)
                            + ", who could read what is kept there; remove it or choose another"
                            + " place");
        }
        // A second name may lie where others chose it: it is no file that we have made.
        if ((int) attributes.get("nlink") > 1) {
            throw new IOException(
                    path + " has several names (hard links); remove it or choose another place");
        }
        if ((mode & MODE_PERMISSIONS) != FILE_MODE) {
            final int result = Posix.fchmod(fd, FILE_MODE);
            if (result < 0) {
                throw new IOException(
                        "cannot make " + path + " private: " + Errno.meaning(-result));
            }
        }
    }

    /**
     * Sees to it that a directory is there which this user alone can put something into: made with
     * its missing parents, or there before. Nor can anybody else exchange it: see {@link
     * TrustedWay}.
     *
     * @throws IOException with a sentence that names it, where it is somebody else's, can be
     *     written by others, is a link, or can't be made; or one on the way to it that others could
     *     exchange
     */
    public static void requireDirectory(final Path directory) throws IOException {
        final Path parent = directory.toAbsolutePath().getParent();
        if (parent != null) {
            TrustedWay.require(parent); // before anything is made there
            makeDirectories(directory);
            TrustedWay.require(parent); // what was made meanwhile, too
        }
        final Map<String, Object> attributes =
                Files.readAttributes(directory, "unix:uid,mode", LinkOption.NOFOLLOW_LINKS);
        if (((int) attributes.get("mode") & MODE_TYPE) != MODE_DIRECTORY) {
            throw new IOException(directory + " is a symbolic link; name the directory itself");
        }
        final int mode = (int) attributes.get("mode") & MODE_PERMISSIONS;
        if ((int) attributes.get("uid") != Posix.geteuid()) {
            throw new IOException(
                    directory
                            + " belongs to "
                            + Files.getOwner(directory, LinkOption.NOFOLLOW_LINKS)
                            + ", who could read and change what is kept there; name a directory of"
                            + " your own, or remove that one");
        }
        if ((mode & MODE_OTHERS_WRITE) != 0) {
            throw new IOException(
                    directory
                            + String.format(" can be written by others (mode %04o)", mode)
                            + "; look at what is in it, then: chmod go-w "
                            + directory);
        }
    }

    /**
     * Makes a directory that is not there yet.
     *
     * @throws IOException naming it, where something is there or it can't be made
     */
    public static void createDirectory(final Path directory) throws IOException {
        try {
            Files.createDirectory(directory, DIRECTORY_MODE);
        } catch (final FileSystemException e) {
            throw new IOException("cannot make " + directory + ": " + reason(e), e);
        }
        // A umask such as 0777 takes the owner's rights, too.
        Files.setPosixFilePermissions(directory, DIRECTORY_MODE.value());
    }

    private static String reason(final FileSystemException e) {
        return switch (e) {
            case FileAlreadyExistsException _ -> "something of that name is there";
            case NoSuchFileException _ -> "the directory above it is missing";
            case AccessDeniedException _ -> "permission denied";
            default -> e.getReason();
        };
    }

    /**
     * Makes a directory and its parents, as far as they are missing. What is there is taken as it
     * is: for places that a user has chosen, file by file.
     *
     * @throws IOException naming what can't be made
     */
    public static void makeDirectories(final Path directory) throws IOException {
        final Path absolute = directory.toAbsolutePath();
        if (Files.isDirectory(absolute)) {
            return;
        }
        if (Files.exists(absolute, LinkOption.NOFOLLOW_LINKS)) {
            throw new IOException(directory + " is no directory; remove it or choose another");
        }
        makeDirectories(absolute.getParent());
        try {
            createDirectory(absolute);
        } catch (final IOException e) {
            if (!Files.isDirectory(absolute)) { // else somebody was quicker
                throw e;
            }
        }
    }

    /**
     * Makes a file that is one hole.
     *
     * @param length in bytes
     * @throws IOException with a sentence that names the file; also where one is there that is not
     *     empty
     */
    public static void makeHole(final Path path, final long length) throws IOException {
        final int fd = open(path);
        if (Posix.lseek(fd, 0, Posix.SEEK_END) != 0) {
            Posix.close(fd);
            throw new IOException(path + " is there, and not empty; remove it or choose another");
        }
        final int result = Posix.ftruncate(fd, length);
        Posix.close(fd);
        if (result < 0) {
            throw new IOException(
                    "cannot make "
                            + path
                            + " "
                            + length
                            + " bytes long: "
                            + Errno.meaning(-result));
        }
    }

    /** What makes a file whose mode it can't say, such as a socket. */
    public interface Making {
        /** Does it. */
        void make() throws IOException;
    }

    /**
     * Has something made that users who are neither the owner nor in the group can't use, from its
     * first moment on. What the group may is up to the umask. Other threads' files are made
     * likewise meanwhile; one at a time, or the second would put back the umask of the first.
     */
    public static synchronized void withoutOthers(final Making making) throws IOException {
        final int before = Posix.umask(UMASK_ALL); // it can only be asked by setting it
        Posix.umask(before | UMASK_OTHERS);
        try {
            making.make();
        } finally {
            Posix.umask(before);
        }
    }
}
