package io.lockstep.engine.memory;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Map;

/**
 * Looks at each directory on the way to a place: whoever owns one of them, or can write to it, can
 * exchange what is below it, whatever its mode. Each must belong to root or to this user, and
 * nobody else may write to it, unless its sticky bit keeps them from what isn't theirs ({@code
 * /tmp}, {@code /dev/shm}). A symbolic link must belong to root or to this user, and the way to
 * where it points is looked at likewise. What belongs to the owner of {@code /} is as good as
 * root's: nothing can be kept from them, and in a user namespace root's own may look like theirs.
 *
 * <p>Stateless, from any thread. Source: {@code path_resolution(7)}, {@code inode(7)}, {@code
 * user_namespaces(7)}; the rule is that of {@code StrictModes} in {@code sshd_config(5)}, to which
 * the sticky bit is added.
 */
public final class TrustedWay {
    /** Symbolic links on one way at most. Source: {@code path_resolution(7)}. */
    private static final int LINKS_MAX = 40;

    private static final int ROOT_UID = 0;
    private static final int MODE_TYPE = 0170000;
    private static final int MODE_DIRECTORY = 0040000;
    private static final int MODE_LINK = 0120000;
    private static final int MODE_PERMISSIONS = 07777;
    private static final int MODE_STICKY = 01000;
    private static final int MODE_OTHERS_WRITE = 022;

    private final int user = Posix.geteuid();
    private final int rootsOwner;

    /** Names that are still to go. */
    private final Deque<Path> left = new ArrayDeque<>();

    /** Where the way has come: no link is in it. */
    private Path at;

    private int links;

    private TrustedWay(final Path root) throws IOException {
        at = root;
        rootsOwner = (int) Files.getAttribute(root, "unix:uid");
    }

    /**
     * Sees to it that nobody else can exchange a directory, or one on the way to it; as far as they
     * are there.
     *
     * @throws IOException with a sentence that names the one that somebody could
     */
    public static void require(final Path directory) throws IOException {
        final Path absolute = directory.toAbsolutePath();
        final TrustedWay way = new TrustedWay(absolute.getRoot());
        way.prepend(absolute);
        way.walk();
    }

    private void prepend(final Path path) {
        for (int i = path.getNameCount() - 1; i >= 0; i--) {
            left.push(path.getName(i));
        }
    }

    private void walk() throws IOException {
        requireDirectory(at, attributes(at));
        while (!left.isEmpty()) {
            final String name = left.pop().toString();
            if (name.equals("..")) {
                at = at.getParent() == null ? at : at.getParent();
            } else if (!name.isEmpty() && !name.equals(".")) {
                final Path next = at.resolve(name);
                if (!Files.exists(next, LinkOption.NOFOLLOW_LINKS)) {
                    return;
                }
                enter(next);
            }
        }
    }

    private void enter(final Path next) throws IOException {
        final Map<String, Object> attributes = attributes(next);
        if (type(attributes) == MODE_LINK) {
            follow(next, attributes);
        } else {
            requireDirectory(next, attributes);
            at = next;
        }
    }

    private void follow(final Path link, final Map<String, Object> attributes) throws IOException {
        requireTrusted(link, attributes);
        links++;
        if (links > LINKS_MAX) {
            throw new IOException(
                    link + " is one of more than " + LINKS_MAX + " symbolic links on one way");
        }
        final Path target = Files.readSymbolicLink(link);
        if (target.isAbsolute()) {
            at = target.getRoot();
        }
        prepend(target);
    }

    private void requireDirectory(final Path path, final Map<String, Object> attributes)
            throws IOException {
        if (type(attributes) != MODE_DIRECTORY) {
            throw new IOException(path + " is no directory; remove it or choose another");
        }
        requireTrusted(path, attributes);
        final int mode = (int) attributes.get("mode") & MODE_PERMISSIONS;
        if ((mode & MODE_OTHERS_WRITE) != 0 && (mode & MODE_STICKY) == 0) {
            throw new IOException(
                    path
                            + String.format(" can be written by others (mode %04o)", mode)
                            + ", who could exchange what is kept below it; chmod go-w "
                            + path
                            + ", or name another directory");
        }
    }

    private void requireTrusted(final Path path, final Map<String, Object> attributes)
            throws IOException {
        final int owner = (int) attributes.get("uid");
        if (owner != ROOT_UID && owner != user && owner != rootsOwner) {
            throw new IOException(
                    path
                            + " belongs to "
                            + Files.getOwner(path, LinkOption.NOFOLLOW_LINKS)
                            + ", who could exchange what is kept below it; name a directory to"
                            + " which only your own and root's lead");
        }
    }

    private static int type(final Map<String, Object> attributes) {
        return (int) attributes.get("mode") & MODE_TYPE;
    }

    private static Map<String, Object> attributes(final Path path) throws IOException {
        return Files.readAttributes(path, "unix:uid,mode", LinkOption.NOFOLLOW_LINKS);
    }
}
