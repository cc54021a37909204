package io.lockstep.engine.server;

import io.lockstep.engine.disk.AlignedDisk;
import io.lockstep.engine.disk.DiskFile;
import io.lockstep.engine.disk.FileDisk;
import io.lockstep.engine.disk.HelperThreads;
import io.lockstep.engine.loop.Cores;
import io.lockstep.engine.loop.Endpoint;
import io.lockstep.engine.loop.IoLoop;
import io.lockstep.engine.loop.NioLoop;
import io.lockstep.engine.memory.Errno;

import org.agrona.ErrorHandler;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/**
 * A running NBD server over disks: its loops, a server on each, the open files and the listening
 * sockets. Connections are dealt to the loops in turn. Made, and closed, by one thread.
 */
public final class DiskService implements AutoCloseable {
    private static final long SHUTDOWN_SECONDS = 5;

    private final List<DiskFile> files = new ArrayList<>();
    private final List<FileDisk> disks = new ArrayList<>();
    private final List<NioLoop> loops = new ArrayList<>();
    private final List<NbdServer> servers = new ArrayList<>();
    private final List<IoLoop.Listener> listeners = new ArrayList<>();

    /** One for each file. */
    private final List<HelperThreads> helpers = new ArrayList<>();

    private final ServerEvents events;
    private int accepted;

    /** What a service is made of; see the record's components. */
    public record Configuration(
            List<DiskFile> files,
            List<Endpoint> endpoints,
            int loopCount,
            int connectionsMax,
            long spinNanos,
            ServerEvents events,
            ErrorHandler errorHandler) {
        /**
         * @param files the open disks, which the service closes when it ends, however it ends
         * @param endpoints where to listen
         * @param loopCount how many loops share the connections; as many as cores have one each.
         *     One where a file is used past the page cache
         * @param connectionsMax clients served at a time
         * @param spinNanos how long a loop looks for work before it sleeps
         * @param events hears of problems
         * @param errorHandler hears of what should not happen
         */
        public Configuration {
            files = List.copyOf(files);
            endpoints = List.copyOf(endpoints);
        }
    }

    private DiskService(final ServerEvents events) {
        this.events = events;
    }

    /**
     * Starts a service.
     *
     * @throws IOException where an endpoint can't be had; nothing is left running or open then
     */
    public static DiskService start(final Configuration configuration) throws IOException {
        final DiskService service = new DiskService(configuration.events());
        boolean started = false;
        try {
            service.files.addAll(configuration.files());
            for (final DiskFile file : service.files) {
                ServedExport.require("disk's name", file.name());
            }
            service.files.forEach(file -> file.onChange(service.events::onDiskError));
            service.files.forEach(file -> service.helpers.add(new HelperThreads()));
            service.startLoops(configuration);
            for (final Endpoint endpoint : configuration.endpoints()) {
                service.listen(endpoint);
            }
            started = true;
            return service;
        } finally {
            if (!started) {
                service.close();
            }
        }
    }

    private void startLoops(final Configuration configuration) throws IOException {
        final ConnectionLimit limit = new ConnectionLimit(configuration.connectionsMax());
        final int loopCount = configuration.loopCount();
        final boolean ownCores = loopCount > 1 && loopCount == Cores.count();
        for (int i = 0; i < loopCount; i++) {
            final NioLoop loop =
                    new NioLoop(
                            "lockstep-loop-" + i,
                            configuration.spinNanos(),
                            configuration.errorHandler());
            final List<ServedExport> exports = new ArrayList<>();
            for (int number = 0; number < files.size(); number++) {
                final DiskFile file = files.get(number);
                final FileDisk disk = new FileDisk(file, loop, helpers.get(number));
                disks.add(disk);
                exports.add(
                        ServedExport.of(
                                AlignedDisk.over(disk, file),
                                file.path().getFileName().toString()));
            }
            loops.add(loop);
            servers.add(new NbdServer(loop, exports, limit, configuration.events()));
            if (ownCores) {
                loop.startOnCore(i);
            } else {
                loop.start();
            }
        }
    }

    /** A socket is registered with the first loop, which deals the connections out. */
    private void listen(final Endpoint endpoint) throws IOException {
        final Outcome<IoLoop.Listener> outcome = new Outcome<>();
        loops.getFirst()
                .execute(() -> outcome.run(() -> loops.getFirst().listen(endpoint, this::deal)));
        listeners.add(outcome.get());
    }

    private void deal(final IoLoop.Accepted connection) {
        final int index = accepted++ % loops.size();
        connection.open(loops.get(index), servers.get(index)::connect);
    }

    /** Where it listens, with the ports that were chosen. */
    public List<Endpoint> endpoints() {
        return listeners.stream().map(IoLoop.Listener::endpoint).toList();
    }

    /**
     * Stops listening, answers or refuses what clients have sent, flushes every disk, and closes
     * all. Waits at most some seconds for clients that don't take their answers.
     */
    @Override
    public void close() {
        stop();
    }

    /**
     * Like {@link #close}.
     *
     * @return whether every disk could be flushed; the events have heard of each that could not
     */
    public boolean stop() {
        if (!loops.isEmpty()) {
            loops.getFirst().execute(() -> listeners.forEach(IoLoop.Listener::close));
        }
        endSessions();
        helpers.forEach(HelperThreads::close);
        loops.forEach(NioLoop::close);
        disks.forEach(FileDisk::close);
        boolean flushed = true;
        for (final DiskFile file : files) {
            flushed &= flush(file);
            file.close();
        }
        return flushed;
    }

    private void endSessions() {
        final CountDownLatch quiet = new CountDownLatch(servers.size());
        for (int i = 0; i < servers.size(); i++) {
            final NbdServer server = servers.get(i);
            loops.get(i).execute(() -> server.shutDown(quiet::countDown));
        }
        try {
            if (!quiet.await(SHUTDOWN_SECONDS, TimeUnit.SECONDS)) {
                for (int i = 0; i < servers.size(); i++) {
                    loops.get(i).execute(servers.get(i)::abort);
                }
                quiet.await(1, TimeUnit.SECONDS);
            }
        } catch (final InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private boolean flush(final DiskFile file) {
        final int errno = file.isReadOnly() ? 0 : file.flush();
        if (errno != 0) {
            events.onDiskError(
                    "disk "
                            + file.name()
                            + ": the last flush of "
                            + file.path()
                            + " failed: "
                            + Errno.meaning(errno)
                            + " ("
                            + Errno.name(errno)
                            + "); what was written since the flush before it may be lost");
        }
        return errno == 0;
    }

    /** Carries a value, or what was thrown instead, from a loop to the thread that waits for it. */
    private static final class Outcome<T> {
        interface Action<T> {
            T run() throws IOException;
        }

        private final CountDownLatch done = new CountDownLatch(1);
        private T value;
        private IOException thrown;

        void run(final Action<T> action) {
            try {
                value = action.run();
            } catch (final IOException e) {
                thrown = e;
            } finally {
                done.countDown();
            }
        }

        T get() throws IOException {
            try {
                done.await();
            } catch (final InterruptedException e) {
                Thread.currentThread().interrupt();
                throw new IOException("interrupted while starting to listen", e);
            }
            if (thrown != null) {
                throw thrown;
            }
            return value;
        }
    }
}
