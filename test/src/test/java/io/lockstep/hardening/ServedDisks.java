package io.lockstep.hardening;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.fail;

import io.lockstep.engine.disk.DiskFile;
import io.lockstep.engine.loop.Endpoint;
import io.lockstep.engine.memory.VirtualMemory;
import io.lockstep.engine.server.DiskService;
import io.lockstep.engine.server.ServerEvents;
import io.lockstep.nbd.ReplyStyle;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.StandardProtocolFamily;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileChannel.MapMode;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.ServerSocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.List;
import java.util.Queue;
import java.util.Random;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.Stream;

/**
 * A service over two disks with a good client on it, to be tormented. {@link #verify} is the
 * verdict that every test ends with: the good client and a new one are served, the disk holds what
 * they wrote and nothing else, no exception came up, and no descriptor and no buffer is left
 * behind.
 */
final class ServedDisks implements AutoCloseable {
    static final String DISK = "vda";
    static final String READ_ONLY_DISK = "golden";

    /** Beyond the longest payload, and no whole number of anything. */
    static final int LENGTH = (40 << 20) + 123;

    /** This much of the disk's front has content; hostile requests aim there. */
    static final int CONTENT_LENGTH = 1 << 20;

    /** The good client's own part, on which nobody else writes. */
    private static final int OWN_OFFSET = 8 << 20;

    private static final Duration QUIET_WITHIN = Duration.ofSeconds(10);

    private final Path file;
    private final DiskService service;
    private final Queue<Throwable> errors = new ConcurrentLinkedQueue<>();
    private final Queue<String> problems = new ConcurrentLinkedQueue<>();
    private final byte[] expected = new byte[LENGTH];
    private final long descriptorsBefore;
    private final long reservedBefore;
    private final WireClient good;
    private final long descriptorsWithGood;
    private final long reservedWithGood;
    private long cookie = 1L << 40;
    private boolean closed;

    static {
        // The JDK keeps descriptors of its own from the first socket and selector on.
        try (Selector selector = Selector.open();
                ServerSocketChannel tcp = ServerSocketChannel.open();
                ServerSocketChannel unix = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
            tcp.bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0));
            tcp.configureBlocking(false).register(selector, SelectionKey.OP_ACCEPT);
            unix.configureBlocking(false).register(selector, SelectionKey.OP_ACCEPT);
            selector.selectNow();
            WireClient.open(
                            new Endpoint.Tcp(
                                    "127.0.0.1",
                                    ((InetSocketAddress) tcp.getLocalAddress()).getPort()))
                    .close();
        } catch (final IOException e) {
            throw new ExceptionInInitializerError(e);
        }
    }

    private ServedDisks(final Path directory, final int connectionsMax) throws IOException {
        file = directory.resolve("disk.img");
        final Path golden = directory.resolve("golden.img");
        final byte[] content = new byte[CONTENT_LENGTH];
        new Random(20_24).nextBytes(content);
        System.arraycopy(content, 0, expected, 0, CONTENT_LENGTH);
        create(file, content);
        create(golden, content);

        descriptorsBefore = descriptors();
        reservedBefore = VirtualMemory.reservedBytes();
        service =
                DiskService.start(
                        new DiskService.Configuration(
                                List.of(
                                        DiskFile.open(DISK, file, false),
                                        DiskFile.open(READ_ONLY_DISK, golden, true)),
                                List.of(
                                        new Endpoint.Unix(directory.resolve("socket")),
                                        new Endpoint.Tcp("127.0.0.1", 0)),
                                2,
                                connectionsMax,
                                TimeUnit.MICROSECONDS.toNanos(50),
                                new Events(),
                                errors::add));
        good = WireClient.enter(unix(), ReplyStyle.STRUCTURED, DISK);
        checkGoodClient();
        try (WireClient first = WireClient.enter(tcp(), ReplyStyle.SIMPLE, DISK)) {
            assertEquals(1, first.read(++cookie, 0, 1).length); // so that all classes are loaded
        }
        descriptorsWithGood = settledDescriptors();
        reservedWithGood = VirtualMemory.reservedBytes();
    }

    static ServedDisks start(final Path directory) throws IOException {
        return start(directory, 64);
    }

    static ServedDisks start(final Path directory, final int connectionsMax) throws IOException {
        return new ServedDisks(directory, connectionsMax);
    }

    private static void create(final Path path, final byte[] content) throws IOException {
        try (FileChannel channel =
                FileChannel.open(path, StandardOpenOption.CREATE, StandardOpenOption.WRITE)) {
            channel.write(ByteBuffer.wrap(content), 0);
            channel.write(ByteBuffer.allocate(1), LENGTH - 1L);
        }
    }

    Endpoint unix() {
        return service.endpoints().getFirst();
    }

    Endpoint tcp() {
        return service.endpoints().getLast();
    }

    Endpoint endpoint(final Transport transport) {
        return transport == Transport.UNIX ? unix() : tcp();
    }

    WireClient connect() throws IOException {
        final WireClient client = WireClient.connect(unix());
        client.readGreeting();
        return client;
    }

    WireClient enter(final ReplyStyle style) throws IOException {
        return WireClient.enter(unix(), style, DISK);
    }

    /** What the disk holds there, as far as the test has told. */
    byte[] expected(final int offset, final int length) {
        return java.util.Arrays.copyOfRange(expected, offset, offset + length);
    }

    /** The test has had this written. */
    void expect(final int offset, final byte[] content) {
        System.arraycopy(content, 0, expected, offset, content.length);
    }

    /** What the server told of its clients. */
    List<String> problems() {
        return List.copyOf(problems);
    }

    /** The client that was there before the trouble began is still served, and promptly. */
    void checkGoodClient() throws IOException {
        final byte[] content = new byte[8192];
        new Random(cookie).nextBytes(content);
        final int offset = OWN_OFFSET + (int) (cookie % 512) * 4096;
        good.write(++cookie, offset, new Bytes().put(content));
        expect(offset, content);
        assertArrayEquals(content, good.read(++cookie, offset, content.length));
        assertArrayEquals(expected(0, 4096), good.read(++cookie, 0, 4096));
    }

    /** Somebody new gets in and is served. */
    void checkNewClient() throws IOException {
        for (final Endpoint endpoint : service.endpoints()) {
            try (WireClient client = WireClient.enter(endpoint, ReplyStyle.EXTENDED, DISK)) {
                assertArrayEquals(expected(5000, 9000), client.read(++cookie, 5000, 9000));
            }
        }
    }

    /** The test's own clients are gone: so is all that the server held for them. */
    void awaitQuiet() {
        final Patience patience = new Patience(QUIET_WITHIN);
        while (descriptors() > descriptorsWithGood
                || VirtualMemory.reservedBytes() > reservedWithGood) {
            patience.pauseOrFail(
                    "sessions are left behind: descriptors %d, were %d; reserved bytes %d, were %d"
                            .formatted(
                                    descriptors(),
                                    descriptorsWithGood,
                                    VirtualMemory.reservedBytes(),
                                    reservedWithGood));
        }
    }

    /** The verdict; the test's own clients are closed by now. */
    void verify() throws IOException {
        checkGoodClient();
        checkNewClient();
        awaitQuiet();
        close();
        assertEquals(List.of(), List.copyOf(errors), "exceptions inside the server");
        assertEquals(descriptorsBefore, descriptors(), "descriptors after the service has ended");
        assertEquals(
                reservedBefore,
                VirtualMemory.reservedBytes(),
                "bytes of buffers after the service ended");
        assertContent();
    }

    private void assertContent() throws IOException {
        try (FileChannel channel = FileChannel.open(file);
                Arena arena = Arena.ofConfined()) {
            final MemorySegment content = channel.map(MapMode.READ_ONLY, 0, LENGTH, arena);
            assertEquals(LENGTH, channel.size());
            assertEquals(
                    -1,
                    content.mismatch(MemorySegment.ofArray(expected)),
                    "first byte of the disk that differs from what clients wrote");
        }
    }

    @Override
    public void close() throws IOException {
        if (!closed) {
            closed = true;
            good.close();
            service.close();
        }
    }

    // ---- What the process holds.

    private static long settledDescriptors() {
        long before = descriptors();
        for (int i = 0; i < 100; i++) {
            LockSupport.parkNanos(5_000_000);
            final long now = descriptors();
            if (now == before && i > 4) {
                break;
            }
            before = now;
        }
        return before;
    }

    /**
     * Open sockets and files, less what a JVM opens and closes as it goes: jars, /proc and /sys.
     */
    static long descriptors() {
        try (Stream<Path> open = Files.list(Path.of("/proc/self/fd"))) {
            return open.filter(ServedDisks::isOfService).count();
        } catch (final IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }

    private static boolean isOfService(final Path descriptor) {
        try {
            final String target = Files.readSymbolicLink(descriptor).toString();
            return target.startsWith("socket:")
                    || target.startsWith("anon_inode:")
                    || target.endsWith(".img");
        } catch (final IOException e) {
            return false; // closed meanwhile
        }
    }

    /** Memory of the process that belongs to no file, the JVM's own included; in bytes. */
    static long residentBytes() throws IOException {
        for (final String line : Files.readAllLines(Path.of("/proc/self/status"))) {
            if (line.startsWith("RssAnon:")) {
                return Long.parseLong(line.replaceAll("[^0-9]", "")) << 10;
            }
        }
        return fail("no RssAnon in /proc/self/status");
    }

    private final class Events implements ServerEvents {
        @Override
        public void onDiskError(final String sentence) {
            problems.add(sentence);
        }

        @Override
        public void onClientProblem(final String peer, final String sentence) {
            problems.add(sentence);
        }
    }
}
