package io.lockstep.interop;

/**
 * Guests that write, zero, trim and flush at random, many requests in flight, on several
 * connections, over each other: what a disk holds afterwards nobody can say, but both must hold the
 * same (I2).
 */
final class OverlappingWrites {
    private static final String SCRIPT =
            """
            import signal

            uri, length, seed, connections = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), 3
            random.seed(seed)
            stopping = False

            def stop(*_):
                global stopping
                stopping = True
            signal.signal(signal.SIGTERM, stop)
            handles = [connect(uri) for _ in range(connections)]
            data = bytearray(random.randbytes(1 << 20))
            buffers = [nbd.Buffer.from_bytearray(data[i * 512:i * 512 + size])
                       for i, size in enumerate([512, 1024, 4096, 4096, 4096, 8192, 12288, 65536, 262144] * 8)]
            count = told = 0

            def done(error):
                global count
                assert error.value == 0, errno.errorcode.get(error.value, error.value)
                count += 1
                return 1

            # A tenth of the disk is written most: there they overlap.
            def place(size):
                span = length if random.random() < 0.3 else length // 10
                return random.randrange((span - size) // 512) * 512

            def submit(h):
                kind = random.random()
                buffer = random.choice(buffers)
                size = buffer.size()
                if kind < 0.8:
                    h.aio_pwrite(buffer, place(size), completion=done,
                                 flags=nbd.CMD_FLAG_FUA if kind < 0.01 else 0)
                elif kind < 0.9:
                    h.aio_zero(size, place(size), completion=done,
                               flags=nbd.CMD_FLAG_NO_HOLE if kind < 0.85 else 0)
                elif kind < 0.98:
                    h.aio_trim(size, place(size), completion=done)
                else:
                    h.aio_flush(completion=done)

            while not stopping:
                for h in handles:
                    while h.aio_in_flight() < 16:
                        submit(h)
                for h in handles:
                    h.poll(1)
                if count >= told + 250:
                    told = count
                    print('count', told)
            for h in handles:
                drain(h)
            print('end', count)
            """;

    private final Program client;

    private OverlappingWrites(final Program client) {
        this.client = client;
    }

    static OverlappingWrites start(
            final Rig rig, final String uri, final long length, final long seed) {
        return new OverlappingWrites(
                rig.startPython(SCRIPT, uri, Long.toString(length), Long.toString(seed)));
    }

    /** How many requests are known to have been answered. */
    int count() {
        return client.out()
                .lines()
                .filter(line -> line.startsWith("count "))
                .mapToInt(line -> Integer.parseInt(line.substring("count ".length())))
                .max()
                .orElse(0);
    }

    /** Waits until so many requests have been answered. */
    void await(final int count) {
        client.awaitLine(
                line ->
                        line.startsWith("count ")
                                && Integer.parseInt(line.substring("count ".length())) >= count);
    }

    /** Asks it to stop, and waits until all its requests have been answered, with success. */
    void stop() {
        client.terminate();
        if (client.awaitExit() != 0) {
            throw new AssertionError(transcript());
        }
    }

    /** What went wrong, without how far it came. */
    private String transcript() {
        return String.join(
                "\n",
                client.transcript().lines().filter(line -> !line.startsWith("count ")).toList());
    }
}
