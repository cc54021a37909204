package io.lockstep.interop;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;

/**
 * A client that keeps writes in flight until its server is gone, and then tells which of them were
 * acknowledged. Write number n fills block n modulo {@link #BLOCKS} of its part of the disk with n,
 * so that the file tells what it has got.
 */
final class AcknowledgedWrites {
    static final int BLOCK_LENGTH = 4096;

    /** More than are ever in flight: no two writes that overlap are. */
    static final int BLOCKS = 512;

    /** The part of the disk that one client writes, in bytes. */
    static final int PART_LENGTH = BLOCKS * BLOCK_LENGTH;

    private static final String SCRIPT =
            """
            import signal, struct
            uri, offset, first = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
            blocks, length, in_flight = 512, 4096, 32
            h = connect(uri)
            submitted = {}
            acknowledged = {}
            errors = {}
            count = 0
            number = first

            def write(n):
                block = n % blocks
                submitted[block] = n
                def done(error):
                    global count
                    if error.value == 0:
                        acknowledged[block] = n
                        count += 1
                    else:
                        errors[error.value] = errors.get(error.value, 0) + 1
                    return 1
                data = bytearray(struct.pack('>Q', n) * (length // 8))
                buffer = nbd.Buffer.from_bytearray(data)
                h.aio_pwrite(buffer, offset + block * length, completion=done)

            stopping = False
            def stop(*_):
                global stopping
                stopping = True
            signal.signal(signal.SIGTERM, stop)

            told = 0
            try:
                while not errors and not stopping:
                    while h.aio_in_flight() < in_flight:
                        write(number)
                        number += 1
                    h.poll(-1)
                    if count >= told + 32:
                        told = count
                        print('count', told)
                drain(h)
            except nbd.Error:
                pass # the connection is gone, and with it all that was in flight
            for error, times in errors.items():
                print('error', errno.errorcode.get(error, error), times)
            for block, n in submitted.items():
                print('block', block, n, acknowledged.get(block, -1))
            print('end', number)
            """;

    private final Program client;
    private final long offset;
    private final long first;

    private AcknowledgedWrites(final Program client, final long offset, final long first) {
        this.client = client;
        this.offset = offset;
        this.first = first;
    }

    /**
     * Starts a client.
     *
     * @param uri of the disk
     * @param part which part of the disk it writes, from 0
     * @param first number of its first write, more than the last one of the client before it
     */
    static AcknowledgedWrites start(
            final Rig rig, final String uri, final int part, final long first) {
        final long offset = (long) part * PART_LENGTH;
        final Program client =
                rig.startPython(SCRIPT, uri, Long.toString(offset), Long.toString(first));
        return new AcknowledgedWrites(client, offset, first);
    }

    /** Waits until so many writes have been acknowledged. */
    void await(final int count) {
        client.awaitLine(
                line ->
                        line.startsWith("count ")
                                && Integer.parseInt(line.substring("count ".length())) >= count);
    }

    /**
     * Waits for the client's end, now that its server has gone, and looks into the file: every
     * acknowledged write must be there, unless a later one to its block is, and no block may hold
     * what nobody wrote.
     *
     * @return the number behind that of the last write
     */
    long verify(final Path file) {
        if (client.awaitExit() != 0) {
            throw new AssertionError(client.transcript());
        }
        try (RandomAccessFile content = new RandomAccessFile(file.toFile(), "r")) {
            long end = -1;
            for (final String line : client.out().lines().toList()) {
                final String[] words = line.split(" ", -1);
                switch (words[0]) {
                    case "block" ->
                            verifyBlock(
                                    content,
                                    Integer.parseInt(words[1]),
                                    Long.parseLong(words[2]),
                                    Long.parseLong(words[3]));
                    case "end" -> end = Long.parseLong(words[1]);
                    default -> {}
                }
            }
            assertTrue(end > first, client::transcript);
            return end;
        } catch (final IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private void verifyBlock(
            final RandomAccessFile content,
            final int block,
            final long submitted,
            final long acknowledged)
            throws IOException {
        final byte[] bytes = new byte[BLOCK_LENGTH];
        content.seek(offset + (long) block * BLOCK_LENGTH);
        content.readFully(bytes);
        final ByteBuffer numbers = ByteBuffer.wrap(bytes);
        while (numbers.hasRemaining()) {
            final long number = numbers.getLong();
            // One that was not acknowledged may be there, and be there in part.
            final boolean inOrder =
                    number == acknowledged
                            || number == submitted
                            || (acknowledged < 0 && number < first);
            assertTrue(
                    inOrder,
                    () ->
                            "block "
                                    + block
                                    + " holds "
                                    + number
                                    + "; acknowledged was "
                                    + acknowledged
                                    + ", in flight "
                                    + submitted);
        }
    }

    /** Asks it to stop, where its server has not gone. */
    void stop() {
        client.terminate();
    }

    /** What the client printed. */
    String transcript() {
        return client.transcript();
    }
}
