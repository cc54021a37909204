package io.lockstep.engine.state;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.lockstep.engine.node.DiskIdentity;
import io.lockstep.engine.node.Id;
import io.lockstep.engine.node.NodeRecord;

import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;

/** A record on storage: what is read is one that was written whole, and the last one. */
final class StateFileTest {
    private static final Id BOOT = new Id(8, 1);

    @TempDir private Path parent;
    private Path directory;

    @BeforeEach
    void nameDirectory() {
        directory = parent.resolve("vda.img.lockstep");
    }

    /** A record that differs from others in its node's name, and in its length. */
    private static NodeRecord record(final int number) {
        return NodeRecord.fresh(
                new Id(1, number),
                BOOT,
                List.of(new DiskIdentity("vda", 1 << 20, "x".repeat(10 * (number % 3)))));
    }

    private Path copy(final int index) {
        return directory.resolve("state-" + index);
    }

    private void write(final int... numbers) throws IOException {
        try (StateFile file = StateFile.open(directory)) {
            file.load();
            for (final int number : numbers) {
                file.write(record(number));
            }
        }
    }

    private Optional<NodeRecord> load() throws IOException {
        try (StateFile file = StateFile.open(directory)) {
            return file.load();
        }
    }

    private static void assertRefused(final Executable action, final String... parts) {
        final String message = assertThrows(IOException.class, action).getMessage();
        for (final String part : parts) {
            assertTrue(message.contains(part), message);
        }
    }

    /** What this opening has made goes, and nothing else. */
    @Test
    void whatIsDiscardedIsWhatWasMade() throws IOException {
        directory = parent.resolve("state").resolve("vda");
        StateFile file = StateFile.open(directory);
        file.write(record(1));
        assertTrue(file.isNew());
        file.discard();
        assertFalse(Files.exists(directory.getParent()));
        assertTrue(Files.exists(parent));

        write(2);
        file = StateFile.open(directory);
        assertFalse(file.isNew());
        file.discard();
        assertEquals(Optional.of(record(2)), load());
        assertFalse(StateFile.isInUse(directory));
    }

    @Test
    void thereIsNoneAtFirst() throws IOException {
        assertEquals(Optional.empty(), load());
        assertEquals(Optional.empty(), StateFile.read(directory));
        assertEquals(Optional.empty(), StateFile.read(parent.resolve("missing")));
        assertFalse(Files.exists(parent.resolve("missing")));
    }

    @Test
    void theLastOneIsLoaded() throws IOException {
        for (int number = 1; number < 8; number++) {
            write(number);
            assertEquals(Optional.of(record(number)), load());
            assertEquals(Optional.of(record(number)), StateFile.read(directory));
        }
        write(8, 9, 10, 11);
        assertEquals(Optional.of(record(11)), load());
    }

    @Test
    void whatIsMadeIsPrivate() throws IOException {
        write(1, 2);
        assertEquals(
                "rwx------",
                PosixFilePermissions.toString(Files.getPosixFilePermissions(directory)));
        try (var files = Files.list(directory)) {
            final List<Path> all = files.sorted().toList();
            assertEquals(
                    List.of("lock", "state-0", "state-1"),
                    all.stream().map(file -> file.getFileName().toString()).toList());
            for (final Path file : all) {
                assertEquals(
                        "rw-------",
                        PosixFilePermissions.toString(Files.getPosixFilePermissions(file)));
            }
        }
    }

    /** The copy under way has some of the new bytes and some of the old, or was cut there. */
    @Test
    void cutAnywhereItIsTheOldOneOrTheNewOne() throws IOException {
        for (final int[] numbers : new int[][] {{1, 2, 3}, {3, 4, 5}, {2, 3, 4}}) {
            write(numbers[0], numbers[1]);
            final Path under = older();
            final byte[] before = Files.readAllBytes(under);
            write(numbers[2]);
            final byte[] after = Files.readAllBytes(under);
            int whole = 0;
            for (final byte[] torn : cuts(before, after)) {
                Files.write(under, torn);
                final NodeRecord read = StateFile.read(directory).orElseThrow();
                final boolean isNew = read.equals(record(numbers[2]));
                assertTrue(isNew || read.equals(record(numbers[1])), read.toString());
                whole += isNew ? 1 : 0;
                if (!isNew) {
                    assertFalse(
                            torn.length >= after.length
                                    && Arrays.equals(Arrays.copyOf(torn, after.length), after));
                }
            }
            assertTrue(whole > 0, "never the new one");
            Files.write(under, after);
        }
    }

    private Path older() throws IOException {
        final long first = ByteBuffer.wrap(Files.readAllBytes(copy(0))).getLong(20);
        final long second = ByteBuffer.wrap(Files.readAllBytes(copy(1))).getLong(20);
        return copy(first < second ? 0 : 1);
    }

    private static List<byte[]> cuts(final byte[] before, final byte[] after) {
        final List<byte[]> cuts = new ArrayList<>();
        final int longest = Math.max(before.length, after.length);
        for (int at = 0; at <= longest; at++) {
            final int from = Math.min(at, after.length);
            // Written up to there, and the old one behind; the other way round; and cut there.
            final byte[] front = Arrays.copyOf(before, longest);
            System.arraycopy(after, 0, front, 0, from);
            cuts.add(front);
            final byte[] back = Arrays.copyOf(after, longest);
            System.arraycopy(before, 0, back, 0, Math.min(at, before.length));
            cuts.add(back);
            cuts.add(Arrays.copyOf(after, from));
        }
        return cuts;
    }

    @Test
    void theNextOneOverwritesTheTornCopy() throws IOException {
        write(1, 2);
        Files.write(older(), new byte[] {1, 2, 3});
        write(3);
        assertEquals(Optional.of(record(3)), load());
        Files.write(older(), new byte[0]);
        assertEquals(Optional.of(record(3)), load());
        write(4);
        assertEquals(Optional.of(record(4)), load());
    }

    /** Cut in its first write there is none: it has a name only when it is whole. */
    @Test
    void cutAtTheFirstWriteItIsFresh() throws IOException {
        write();
        Files.write(directory.resolve("state-0.new"), new byte[] {'L', 'S', 'T'});
        assertEquals(Optional.empty(), load());
        Files.delete(directory.resolve("state-0.new"));
        Files.createDirectory(directory.resolve("state-0.new"));
        assertRefused(() -> write(1), "state-0.new");
        assertFalse(Files.exists(copy(0)), "it has its name already");
        Files.delete(directory.resolve("state-0.new"));
        write(1);
        assertEquals(Optional.of(record(1)), load());
        Files.write(directory.resolve("state-1.new"), new byte[500]);
        write(2);
        assertEquals(Optional.of(record(2)), load());
    }

    @Test
    void copiesOfWhichNoneIsWholeAreRefusedUntilTheyAreReplaced() throws IOException {
        write(1, 2);
        Files.write(copy(0), new byte[100]);
        Files.write(copy(1), new byte[0]);
        assertRefused(
                this::load,
                copy(0).toString(),
                copy(1).toString(),
                "Restore them, or",
                "'lockstep state --forget --state " + directory + "'");
        assertRefused(() -> StateFile.read(directory), "none does");
        Files.delete(copy(1));
        assertRefused(this::load, "none does");
        replace(3);
        assertEquals(Optional.of(record(3)), load());
    }

    private void replace(final int number) throws IOException {
        try (StateFile file = StateFile.open(directory)) {
            file.replace(record(number));
        }
    }

    /** The other copy is whole, but older than what another version has written. */
    @Test
    void oneOfAnotherVersionIsRefused() throws IOException {
        write(1, 2);
        final Path newer = older().equals(copy(0)) ? copy(1) : copy(0);
        Files.write(newer, ByteBuffer.wrap(Files.readAllBytes(newer)).putInt(8, 4).array());
        assertRefused(
                this::load,
                newer + " holds a state of version 4, and this lockstep reads version 3",
                "Start the lockstep that wrote it");
        replace(3);
        assertEquals(Optional.of(record(3)), load());
        write(4);
        assertEquals(Optional.of(record(4)), load());
    }

    @Test
    void whatCannotBeStoredIsSaidAndTheOneBeforeStays() throws IOException {
        write(1, 2);
        final Path under = older();
        final byte[] before = Files.readAllBytes(under);
        Files.delete(under);
        Files.createDirectory(under);
        final List<Optional<String>> outcomes = new ArrayList<>();
        try (StateFile file = StateFile.open(directory)) {
            assertRefused(file::load, "cannot read " + under);
            Files.delete(under);
            Files.write(under, before);
            assertEquals(Optional.of(record(2)), file.load());
            Files.delete(under);
            Files.createDirectory(under);
            file.store(record(3), outcomes::add);
            assertTrue(outcomes.getFirst().orElseThrow().contains(under.toString()));
            Files.delete(under);
            assertEquals(Optional.of(record(2)), StateFile.read(directory));
            file.store(record(4), outcomes::add);
            assertEquals(Optional.empty(), outcomes.getLast());
        }
        assertEquals(Optional.of(record(4)), load());
    }

    @Test
    void ofTwoProcessesOneHasIt() throws IOException {
        assertFalse(StateFile.isInUse(directory));
        try (StateFile file = StateFile.open(directory)) {
            assertEquals(directory, file.directory());
            assertTrue(StateFile.isInUse(directory));
            assertRefused(
                    () -> StateFile.open(directory).close(),
                    "the state in " + directory + " is in use by another lockstep; stop");
        }
        assertFalse(StateFile.isInUse(directory));
        StateFile.open(directory).close();
    }

    @Test
    void aDirectoryThatOthersCanWriteIsRefused() throws IOException {
        Files.createDirectory(directory);
        Files.setPosixFilePermissions(directory, PosixFilePermissions.fromString("rwxrwxrwx"));
        assertRefused(() -> StateFile.open(directory).close(), "can be written by others");
    }
}
