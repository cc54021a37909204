package io.lockstep.hardening;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.lockstep.engine.disk.Disk;
import io.lockstep.engine.server.ConnectionLimit;
import io.lockstep.engine.server.ExportCounters;
import io.lockstep.engine.server.NbdServer;
import io.lockstep.engine.server.ServedExport;
import io.lockstep.engine.server.ServerEvents;
import io.lockstep.engine.server.WritePolicy;
import io.lockstep.nbd.Nbd;
import io.lockstep.nbd.ReplyStyle;

import org.junit.jupiter.api.Test;

import java.io.IOException;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;

/** What an export does beyond what its clients ask for, and what it counts of that. */
final class WritePolicyTest {
    private static final Set<String> OPERATIONS =
            Set.of("read", "write", "zero", "discard", "flush");
    private static final int ZERO_FLAGS_ARGUMENT = 2;

    private final List<String> operations = new ArrayList<>();
    private final List<String> problems = new ArrayList<>();
    private final ExportCounters counters = new ExportCounters();

    /** What the disk is asked to do, in order. */
    private Disk disk(final int seed) {
        final FuzzedDisk below = new FuzzedDisk(seed);
        return (Disk)
                Proxy.newProxyInstance(
                        Disk.class.getClassLoader(),
                        new Class<?>[] {Disk.class},
                        (self, method, arguments) -> {
                            if (OPERATIONS.contains(method.getName())) {
                                operations.add(
                                        method.getName()
                                                + (method.getName().equals("zero")
                                                        ? arguments[ZERO_FLAGS_ARGUMENT]
                                                        : ""));
                            }
                            try {
                                return method.invoke(below, arguments);
                            } catch (final InvocationTargetException e) {
                                throw e.getCause();
                            }
                        });
    }

    private ServedExport export(final WritePolicy policy) throws IOException {
        return ServedExport.of(disk(0), "d")
                .as(FuzzedExports.DEFAULT, "d", false, policy, counters);
    }

    /** Has a client send what changes a disk, and what does not. */
    private void serve(final WritePolicy policy, final Bytes requests) throws IOException {
        final FuzzedConnection.Loop loop = new FuzzedConnection.Loop();
        final NbdServer server =
                new NbdServer(
                        loop, List.of(export(policy)), new ConnectionLimit(1), new Problems());
        final FuzzedConnection connection =
                new FuzzedConnection(
                        Messages.handshake(ReplyStyle.EXTENDED, FuzzedExports.DEFAULT)
                                .put(requests)
                                .put(Messages.disconnect(ReplyStyle.EXTENDED))
                                .toArray(),
                        new Portions(0),
                        new Portions(0),
                        false);
        final var handler = server.connect(connection);
        boolean busy = true;
        while (busy) {
            final boolean served = connection.serve(handler);
            busy = loop.runTasks() || served;
        }
        assertEquals(List.of(), problems);
    }

    private static Bytes request(final int command, final int flags) {
        return Messages.request(ReplyStyle.EXTENDED, flags, command, 1, 512, 1024);
    }

    private static Bytes all() {
        return Messages.write(ReplyStyle.EXTENDED, 1, 0, new Bytes().zeroes(100))
                .put(request(Nbd.CMD_WRITE_ZEROES, 0))
                .put(request(Nbd.CMD_READ, 0))
                .put(request(Nbd.CMD_CACHE, 0));
    }

    @Test
    void asTheClientsAskForIt() throws IOException {
        serve(WritePolicy.PLAIN, all().put(request(Nbd.CMD_TRIM, 0)));
        assertEquals(List.of("write", "zero0", "read", "discard"), operations);
    }

    @Test
    void writtenThroughEachChangeIsFlushedOnce() throws IOException {
        serve(
                new WritePolicy(true, false),
                all().put(request(Nbd.CMD_TRIM, 0))
                        .put(request(Nbd.CMD_WRITE_ZEROES, Nbd.CMD_FLAG_FUA)));
        assertEquals(
                List.of(
                        "write", "flush", "zero0", "flush", "read", "discard", "flush", "zero0",
                        "flush"),
                operations);
    }

    @Test
    void whatIsAllocatedStaysSo() throws IOException {
        final WritePolicy policy = new WritePolicy(false, true);
        assertFalse(export(policy).export().has(Nbd.FLAG_SEND_TRIM));
        assertTrue(export(WritePolicy.PLAIN).export().has(Nbd.FLAG_SEND_TRIM));
        serve(policy, all());
        assertEquals(List.of("write", "zero" + Disk.ZERO_NO_HOLE, "read"), operations);
    }

    @Test
    void whatWasDoneIsCounted() throws IOException {
        serve(
                new WritePolicy(true, false),
                all().put(request(Nbd.CMD_TRIM, 0))
                        .put(Messages.request(ReplyStyle.EXTENDED, 0, Nbd.CMD_FLUSH, 1, 0, 0)));
        assertEquals(
                new ExportCounters.Figures(
                        new ExportCounters.Operations(1, 1024, 0),
                        new ExportCounters.Operations(2, 1124, 0),
                        new ExportCounters.Operations(1, 1024, 0),
                        new ExportCounters.Operations(1, 0, 0),
                        1536),
                counters.figures());
    }

    private final class Problems implements ServerEvents {
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
