package io.lockstep.engine.service;

import io.lockstep.engine.disk.Disk;
import io.lockstep.engine.disk.DiskFile;
import io.lockstep.engine.disk.FileDisk;
import io.lockstep.engine.disk.HelperThreads;
import io.lockstep.engine.loop.Endpoint;
import io.lockstep.engine.loop.IoLoop;
import io.lockstep.engine.loop.NioLoop;
import io.lockstep.engine.memory.Errno;
import io.lockstep.engine.server.NbdServer;
import io.lockstep.engine.server.ServedExport;
import io.lockstep.engine.server.ServerEvents;

import org.agrona.ErrorHandler;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * What a process that replicates is made of: open files, loops, servers, listening sockets; made
 * one after the other and taken apart in the right order. One thread's.
 */
final class ServiceParts {
    private static final long SHUTDOWN_SECONDS = 5;

    private final HelperThreads helpers = new HelperThreads();
    private final List<DiskFile> files = new ArrayList<>();
    private final List<FileDisk> disks = new ArrayList<>();
    private final List<NioLoop> loops = new ArrayList<>();
    private final List<Served> servers = new ArrayList<>();
    private final ServerEvents events;
    private final ErrorHandler errorHandler;
    private final long spinNanos;
    private final int connectionsMax;

    /** A server, its loop and its sockets. */
    private record Served(NioLoop loop, NbdServer server, List<IoLoop.Listener> listeners) {}

    ServiceParts(final ServiceOptions options) {
        files.addAll(options.files());
        events = options.serverEvents();
        errorHandler = options.errorHandler();
        spinNanos = options.spinNanos();
        connectionsMax = options.connectionsMax();
    }

    NioLoop startLoop(final String name) throws IOException {
        final NioLoop loop = new NioLoop(name, spinNanos, errorHandler);
        loops.add(loop);
        loop.start();
        return loop;
    }

    /** The files as disks of one loop. */
    List<Disk> openDisks(final NioLoop loop) {
        for (final DiskFile file : files) {
            disks.add(new FileDisk(file, loop, helpers));
        }
        return List.copyOf(disks);
    }

    /** Serves exports on a loop; answers where it listens. */
    List<Endpoint> serve(
            final NioLoop loop, final List<ServedExport> exports, final List<Endpoint> endpoints)
            throws IOException {
        final NbdServer server =
                new NbdServer(loop, exports, connectionsMax, new AtomicInteger(), events);
        final Served served = new Served(loop, server, new ArrayList<>());
        servers.add(served);
        for (final Endpoint endpoint : endpoints) {
            served.listeners.add(
                    LoopCall.call(
                            loop,
                            () ->
                                    loop.listen(
                                            endpoint,
                                            accepted -> accepted.open(loop, server::connect))));
        }
        return served.listeners.stream().map(IoLoop.Listener::endpoint).toList();
    }

    /** Stops listening, and answers or refuses what clients have sent; waits some seconds. */
    void endSessions() {
        final CountDownLatch quiet = new CountDownLatch(servers.size());
        for (final Served served : servers) {
            served.loop.execute(
                    () -> {
                        served.listeners.forEach(IoLoop.Listener::close);
                        served.server.shutDown(quiet::countDown);
                    });
        }
        try {
            if (!quiet.await(SHUTDOWN_SECONDS, TimeUnit.SECONDS)) {
                servers.forEach(served -> served.loop.execute(served.server::abort));
                quiet.await(1, TimeUnit.SECONDS);
            }
        } catch (final InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /** Ends helpers and loops: nothing runs any more. */
    void endLoops() {
        helpers.close();
        loops.forEach(NioLoop::close);
    }

    /** Flushes and closes the files. Answers whether all could be flushed. */
    boolean closeFiles() {
        disks.forEach(FileDisk::close);
        boolean flushed = true;
        for (final DiskFile file : files) {
            final int errno = file.isReadOnly() ? 0 : file.flush();
            if (errno != 0) {
                flushed = false;
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
            file.close();
        }
        return flushed;
    }
}
