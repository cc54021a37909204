package io.lockstep.interop;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * A guest of all disks of a group that writes one thing after the other, now to this disk, then to
 * that, and a manager that checkpoints meanwhile. What write number n does follows from n. So a
 * state of the group is sound if it is that after the first n writes, for some n: on all disks the
 * same one (I1).
 *
 * <p>Every sector of 512 bytes holds the number of the write that it is of; 0 is a zero.
 */
final class SerialWrites {
    private static final int SECTOR_LENGTH = 512;

    /** Written by one write at most. */
    private static final int SECTORS_MAX = 24;

    private static final String SCRIPT =
            """
            import json, signal, socket, struct, threading, time

            control, command, pause = *sys.argv[1:3], float(sys.argv[3])
            sectors, before = map(int, sys.argv[4:6])
            handles = [connect(uri) for uri in sys.argv[6:]]
            stopping = False
            submitted = acknowledged = checkpointed = before

            # Whole lines, as two threads print.
            def say(*words):
                sys.stdout.write(' '.join(map(str, words)) + chr(10))
                sys.stdout.flush()

            def stop(*_):
                global stopping
                stopping = True
            signal.signal(signal.SIGTERM, stop)

            # A checkpoint that was answered has all that was acknowledged when it was asked for.
            def checkpoints():
                global checkpointed
                try:
                    s = socket.socket(socket.AF_UNIX)
                    s.connect(control)
                    lines = s.makefile('rw')
                    lines.readline()
                    def execute(command):
                        lines.write(json.dumps({'execute': command}) + chr(10))
                        lines.flush()
                        while True:
                            line = lines.readline()
                            if not line:
                                raise OSError('closed')
                            answer = json.loads(line)
                            if 'return' in answer:
                                return True
                            if 'error' in answer:
                                say('refused', answer['error']['desc'])
                                return False
                    execute('qmp_capabilities')
                    while not stopping:
                        before = acknowledged
                        if execute(command):
                            checkpointed = before
                        time.sleep(pause)
                except OSError:
                    pass

            manager = threading.Thread(target=checkpoints, daemon=True)
            if pause >= 0:
                manager.start()
            told = n = before
            try:
                while not stopping:
                    n += 1
                    h = handles[n % len(handles)]
                    length = 1 + ((n * 40503) >> 5) % 24
                    at = ((n * 2654435761) >> 7) % (sectors - 24)
                    submitted = n
                    if n % 16 == 5:
                        h.zero(length * 512, at * 512)
                    else:
                        h.pwrite(struct.pack('>Q', n) * (64 * length), at * 512)
                    acknowledged = n
                    if n >= told + 100:
                        told = n
                        say('count', n)
            except nbd.Error as e:
                say('ended', e)
            if stopping and pause >= 0:
                manager.join(30)
            say('end', submitted, acknowledged, checkpointed)
            """;

    private final Program client;
    private final int sectors;

    private SerialWrites(final Program client, final int sectors) {
        this.client = client;
        this.sectors = sectors;
    }

    /**
     * Starts.
     *
     * @param length of each disk
     * @param pauseSeconds between two checkpoints; negative: makes none
     */
    static SerialWrites start(
            final Rig rig, final ReplicatedPair pair, final int length, final double pauseSeconds) {
        return start(
                rig,
                pair.disks().stream().map(pair::guest).toList(),
                length,
                pair.primaryControlSocket(),
                "x-lockstep-checkpoint",
                pauseSeconds);
    }

    /**
     * The same on any exports.
     *
     * @param monitor where the checkpoints are asked for, over QMP
     * @param command which makes one
     */
    static SerialWrites start(
            final Rig rig,
            final List<String> exports,
            final int length,
            final Path monitor,
            final String command,
            final double pauseSeconds) {
        return startBehind(0, rig, exports, length, monitor, command, pauseSeconds);
    }

    /**
     * The same on disks that hold the state after so many writes.
     *
     * @param before their number
     */
    static SerialWrites startBehind(
            final int before,
            final Rig rig,
            final List<String> exports,
            final int length,
            final Path monitor,
            final String command,
            final double pauseSeconds) {
        final List<String> arguments =
                new ArrayList<>(
                        List.of(
                                monitor.toString(),
                                command,
                                Double.toString(pauseSeconds),
                                Integer.toString(length / SECTOR_LENGTH),
                                Integer.toString(before)));
        arguments.addAll(exports);
        return new SerialWrites(
                rig.startPython(SCRIPT, arguments.toArray(String[]::new)), length / SECTOR_LENGTH);
    }

    /** Waits until so many writes have been acknowledged. */
    void await(final int count) {
        client.awaitLine(
                line ->
                        line.startsWith("count ")
                                && Integer.parseInt(line.substring("count ".length())) >= count);
    }

    /** How many writes are known to have been acknowledged. */
    int count() {
        return client.out()
                .lines()
                .filter(line -> line.startsWith("count "))
                .mapToInt(line -> Integer.parseInt(line.substring("count ".length())))
                .max()
                .orElse(0);
    }

    /**
     * How far it came.
     *
     * @param submitted number of the last write
     * @param acknowledged of the last one that was acknowledged
     * @param checkpointed of the last one that an acknowledged checkpoint must have
     */
    record End(int submitted, int acknowledged, int checkpointed) {}

    /** Asks it to stop. */
    End stop() {
        client.terminate();
        return end();
    }

    /** Waits for its end. */
    End end() {
        if (client.awaitExit() != 0) {
            throw new AssertionError(transcript());
        }
        final String line = client.awaitLine(candidate -> candidate.startsWith("end "));
        final String[] words = line.split(" ", -1);
        return new End(
                Integer.parseInt(words[1]), Integer.parseInt(words[2]), Integer.parseInt(words[3]));
    }

    /** Its last write must not have been answered: the connection has ended. */
    void assertCutOff() {
        final String line = client.awaitLine(candidate -> candidate.startsWith("ended "));
        assertTrue(line.contains("(ENOTCONN)"), () -> "it was answered: " + line);
    }

    /**
     * The disks must hold the state after the first n writes, for one n.
     *
     * @param disks in the group's order
     * @param first the least that n may be
     * @param last the largest
     * @return n
     */
    int verify(final List<byte[]> disks, final int first, final int last) {
        final long[][] found = disks.stream().map(this::numbers).toArray(long[][]::new);
        long newest = 0;
        for (final long[] disk : found) {
            for (final long number : disk) {
                newest = Math.max(newest, number);
            }
        }
        // Zeroes have no number: the writes behind the newest number may be such.
        AssertionError failure = null;
        for (long end = newest; end <= newest + 1; end++) {
            try {
                compare(found, end);
                final long reached = end;
                assertTrue(
                        reached >= first && reached <= last,
                        () -> "state " + reached + " is not of " + first + " to " + last);
                return (int) reached;
            } catch (final AssertionError e) {
                failure = failure == null ? e : failure;
            }
        }
        throw failure;
    }

    private static void compare(final long[][] found, final long end) {
        final long[][] model = new long[found.length][found[0].length];
        for (long n = 1; n <= end; n++) {
            final int length = (int) (1 + ((n * 40503) >> 5) % SECTORS_MAX);
            final int at = (int) (((n * 2654435761L) >> 7) % (found[0].length - SECTORS_MAX));
            final long number = n % 16 == 5 ? 0 : n;
            for (int i = at; i < at + length; i++) {
                model[(int) (n % found.length)][i] = number;
            }
        }
        for (int disk = 0; disk < found.length; disk++) {
            for (int sector = 0; sector < model[disk].length; sector++) {
                final int where = sector;
                final int which = disk;
                assertEquals(
                        model[disk][sector],
                        found[disk][sector],
                        () -> "after write " + end + ", disk " + which + ", sector " + where);
            }
        }
    }

    private long[] numbers(final byte[] disk) {
        assertEquals((long) sectors * SECTOR_LENGTH, disk.length);
        final ByteBuffer bytes = ByteBuffer.wrap(disk);
        final long[] numbers = new long[sectors];
        for (int sector = 0; sector < sectors; sector++) {
            final int at = sector * SECTOR_LENGTH;
            final int which = sector;
            numbers[sector] = bytes.getLong(at);
            for (int i = at; i < at + SECTOR_LENGTH; i += Long.BYTES) {
                assertEquals(
                        numbers[sector],
                        bytes.getLong(i),
                        () -> "sector " + which + " is of two writes");
            }
        }
        return numbers;
    }

    /** What went wrong, without how far it came. */
    private String transcript() {
        return String.join(
                "\n",
                client.transcript().lines().filter(line -> !line.startsWith("count ")).toList());
    }
}
