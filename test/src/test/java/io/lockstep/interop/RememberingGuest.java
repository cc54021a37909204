package io.lockstep.interop;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/**
 * A guest of one disk that has several writes, zeroes and flushes in flight, until it is told to
 * stop, or its server has gone; and a manager that makes checkpoints meanwhile. Its end is a {@link
 * WriteHistory}. Two operations on one block are never in flight together.
 */
final class RememberingGuest {
    private static final String SCRIPT =
            """
            import json, signal, socket, struct, threading, time
            uri, control, log = sys.argv[1:4]
            first, blocks, seed = map(int, sys.argv[4:7])
            dice = random.Random(seed)
            depth = dice.choice((1, 4, 12))
            flushes = dice.choice((0.02, 0.1, 0.3))
            h = connect(uri)
            stopping = False
            clock = 0 # counts what was submitted, and what was answered
            checkpointed = 0
            operations = []
            busy = set()
            errors = []
            number = first
            answered = 0

            def stop(*_):
                global stopping
                stopping = True
            signal.signal(signal.SIGTERM, stop)

            def tick():
                global clock
                clock += 1
                return clock

            # A checkpoint that was answered has all that was answered when it was asked for.
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
                            if 'return' in answer or 'error' in answer:
                                return 'return' in answer
                    execute('qmp_capabilities')
                    while not stopping:
                        before = clock
                        if execute('x-lockstep-checkpoint'):
                            checkpointed = before
                        time.sleep(0.02)
                except OSError:
                    pass

            def submit(kind, block, send):
                operation = [kind, number, block, tick(), -1]
                operations.append(operation)
                busy.add(block)
                def done(error):
                    global answered
                    busy.discard(block)
                    if error.value == 0:
                        operation[4] = tick()
                        answered += 1
                    else:
                        errors.append(os.strerror(error.value))
                    return 1
                send(done)

            def begin():
                global number
                chance = dice.random()
                if chance < flushes and -1 not in busy:
                    submit('flush', -1, lambda done: h.aio_flush(completion=done))
                    return
                block = dice.randrange(blocks)
                while block in busy:
                    block = (block + 1) % blocks
                number += 1
                chance = dice.random()
                if chance < 0.06:
                    submit('zero', block, lambda done: h.aio_zero(
                        4096, block * 4096, completion=done))
                else:
                    data = bytearray(struct.pack('>Q', number) * 512)
                    buffer = nbd.Buffer.from_bytearray(data)
                    fua = nbd.CMD_FLAG_FUA if chance > 0.97 else 0
                    submit('force' if fua else 'write', block, lambda done: h.aio_pwrite(
                        buffer, block * 4096, completion=done, flags=fua))

            manager = threading.Thread(target=checkpoints, daemon=True)
            manager.start()
            told = 0
            try:
                while not stopping and not errors:
                    while len(busy) < depth:
                        begin()
                    h.poll(100)
                    if answered >= told + 50:
                        told = answered
                        print('count', answered, flush=True)
                while busy:
                    h.poll(-1)
            except nbd.Error as e:
                errors.append(str(e))
            if stopping:
                manager.join(30)
            with open(log, 'w') as f:
                for operation in operations:
                    print(*operation, file=f)
            print('errors', errors)
            print('end', number, checkpointed, flush=True)
            """;

    private final Program client;
    private final Path log;
    private final byte[] before;
    private final long first;

    private RememberingGuest(
            final Program client, final Path log, final byte[] before, final long first) {
        this.client = client;
        this.log = log;
        this.before = before;
        this.first = first;
    }

    /**
     * Starts one.
     *
     * @param before what the disk holds
     * @param first behind which its writes are numbered
     */
    static RememberingGuest start(
            final Rig rig,
            final String uri,
            final Path control,
            final byte[] before,
            final long first,
            final long seed) {
        final Path log = rig.path("log" + first);
        final Program client =
                rig.startPython(
                        SCRIPT,
                        uri,
                        control.toString(),
                        log.toString(),
                        Long.toString(first),
                        Integer.toString(before.length / WriteHistory.BLOCK_LENGTH),
                        Long.toString(seed));
        return new RememberingGuest(client, log, before, first);
    }

    /** Waits until so many operations more have been answered. */
    void awaitMore(final int count) {
        final int enough = count() + count;
        client.awaitLine(line -> countOf(line) >= enough);
    }

    private int count() {
        return client.out().lines().mapToInt(RememberingGuest::countOf).max().orElse(0);
    }

    private static int countOf(final String line) {
        return line.startsWith("count ") ? Integer.parseInt(line.substring("count ".length())) : 0;
    }

    /** Asks it to stop; what it has in flight ends first. Nothing may have failed. */
    WriteHistory stop() {
        client.terminate();
        final WriteHistory history = end();
        if (!client.out().contains("\nerrors []\n")) {
            throw new AssertionError("the guest has had errors: " + transcript());
        }
        return history;
    }

    /** Waits for its end, now that its server has gone. */
    WriteHistory end() {
        if (client.awaitExit() != 0) {
            throw new AssertionError(transcript());
        }
        final String line = client.awaitLine(candidate -> candidate.startsWith("end "));
        final List<String> words = List.of(line.split(" ", -1));
        try {
            final WriteHistory history =
                    WriteHistory.parse(
                            Files.readAllLines(log),
                            before,
                            Long.parseLong(words.get(1)),
                            Long.parseLong(words.get(2)));
            Files.delete(log);
            return history;
        } catch (final IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private String transcript() {
        return "behind "
                + first
                + ": "
                + String.join(
                        "\n",
                        client.transcript()
                                .lines()
                                .filter(line -> !line.startsWith("count "))
                                .toList());
    }
}
