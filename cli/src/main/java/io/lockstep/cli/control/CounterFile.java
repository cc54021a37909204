package io.lockstep.cli.control;

import com.google.gson.JsonObject;

import io.lockstep.engine.memory.MappedFile;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * A mapped file beside the control socket that holds the latest status: it can be read when the
 * process does not answer any more, and after its end. Written by one thread; a reader in another
 * process takes nothing that is half written.
 *
 * <pre>
 *  0  8  magic
 *  8  8  version of the content: odd while it is being written
 * 16  8  when it was written, in milliseconds since 1970
 * 24  8  process id
 * 32  4  length of the text
 * 36     the status as JSON, UTF-8
 * </pre>
 */
final class CounterFile implements AutoCloseable {
    private static final long MAGIC = 0x4c4f_434b_434e_5431L; // "LOCKCNT1"
    private static final long AT_VERSION = 8;
    private static final long AT_WRITTEN = 16;
    private static final long AT_PROCESS = 24;
    private static final int AT_LENGTH = 32;
    private static final int AT_TEXT = 36;

    /** Room for 256 disks. */
    private static final int LENGTH = 128 << 10;

    private static final int READS_MAX = 100;

    private static final ValueLayout.OfLong LONG =
            ValueLayout.JAVA_LONG.withOrder(ByteOrder.nativeOrder());
    private static final VarHandle WORD = LONG.varHandle();

    private final MappedFile file;
    private final MemorySegment segment;

    private CounterFile(final MappedFile file) {
        this.file = file;
        segment = file.segment();
    }

    /** Where the counters of a control socket are. */
    static Path pathFor(final Path socket) {
        return socket.resolveSibling(socket.getFileName() + ".counters");
    }

    /**
     * Makes the file, which is private, in place of one that a killed process left.
     *
     * @throws IOException where there is no room, or somebody else's file is in the way
     */
    static CounterFile create(final Path socket) throws IOException {
        final Path path = pathFor(socket);
        Files.deleteIfExists(path);
        final CounterFile counters = new CounterFile(MappedFile.allocate(path, LENGTH));
        counters.segment.set(LONG, AT_PROCESS, ProcessHandle.current().pid());
        WORD.setRelease(counters.segment, 0L, MAGIC);
        return counters;
    }

    /** Puts a status in place of the last. */
    void write(final JsonObject status) {
        final byte[] text = status.toString().getBytes(StandardCharsets.UTF_8);
        if (text.length > LENGTH - AT_TEXT) {
            return; // names of a thousand bytes each; the last status that fitted grows old
        }
        final long version = segment.get(LONG, AT_VERSION);
        WORD.setRelease(segment, AT_VERSION, version + 1);
        VarHandle.fullFence();
        segment.set(LONG, AT_WRITTEN, System.currentTimeMillis());
        segment.set(ValueLayout.JAVA_INT, AT_LENGTH, text.length);
        MemorySegment.copy(text, 0, segment, ValueLayout.JAVA_BYTE, AT_TEXT, text.length);
        WORD.setRelease(segment, AT_VERSION, version + 2);
    }

    /** Removes the file: an orderly end leaves nothing to look at. */
    @Override
    public void close() {
        file.close();
        file.path().toFile().delete();
    }

    /**
     * What a process last said of itself.
     *
     * @param process its id
     * @param ageMillis how long ago that was
     * @param isRunning whether there still is such a process
     * @param status as JSON text
     */
    record LastWords(long process, long ageMillis, boolean isRunning, String status) {}

    /**
     * Reads the counters beside a control socket, whoever writes them.
     *
     * @throws IOException where there are none, or none that can be read
     */
    static LastWords read(final Path socket) throws IOException {
        final Path path = pathFor(socket);
        for (int i = 0; i < READS_MAX; i++) {
            final ByteBuffer first = readFile(path);
            final ByteBuffer second = readFile(path);
            final long version = first.getLong((int) AT_VERSION);
            if (version > 0 && version % 2 == 0 && first.equals(second)) {
                return decode(first);
            }
        }
        throw new IOException("the counters in " + path + " hold nothing yet");
    }

    private static ByteBuffer readFile(final Path path) throws IOException {
        final ByteBuffer bytes =
                ByteBuffer.wrap(Files.readAllBytes(path)).order(ByteOrder.nativeOrder());
        if (bytes.remaining() < LENGTH || bytes.getLong(0) != MAGIC) {
            throw new IOException(path + " holds no counters of this version of lockstep");
        }
        return bytes;
    }

    private static LastWords decode(final ByteBuffer bytes) {
        final byte[] text = new byte[bytes.getInt(AT_LENGTH)];
        bytes.get(AT_TEXT, text);
        final long process = bytes.getLong((int) AT_PROCESS);
        return new LastWords(
                process,
                Math.max(0, System.currentTimeMillis() - bytes.getLong((int) AT_WRITTEN)),
                ProcessHandle.of(process).isPresent(),
                new String(text, StandardCharsets.UTF_8));
    }
}
