package io.lockstep.interop;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonObject;

import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;

/** Committed and durable epochs, as managers of a real pair hear of them, and wait for them. */
@Timeout(value = 5, unit = TimeUnit.MINUTES)
final class EpochsTest {
    private static final String NEVER = "1000000000";

    /** A guest that flushes behind each write, until it is told to end. */
    private static final String FLUSHES =
            """
            import signal
            h = connect(sys.argv[1])
            going = True
            def stop(*_):
                global going
                going = False
            signal.signal(signal.SIGTERM, stop)
            count = 0
            while going:
                h.pwrite(bytes([count % 256]) * 4096, count % 64 * 4096)
                h.flush()
                count += 1
                if count % 50 == 0:
                    print('count', count)
            """;

    /**
     * Behind the example of the guide: the output is released, and all that is read is in order.
     */
    private static final String LOOKS =
            """

            print('released', epoch, number(32), flush=True)
            last = 0
            for _ in range(20000):
                durable, committed = number(24), number(32)
                assert durable <= committed, (durable, committed)
                assert last <= committed, (last, committed)
                last = committed
            print('looked', flush=True)
            """;

    @AutoClose private final Rig rig = new Rig();

    /** Behind which nobody listens any more. */
    private final AtomicLong last = new AtomicLong(Long.MAX_VALUE - 1);

    private ReplicatedPair pair(final String... moreForPrimary) {
        return new ReplicatedPair(rig, "e", 1, 1 << 20).withPrimary(moreForPrimary).start();
    }

    private LockstepProcess startWait(final Path control, final String... more) {
        final List<String> arguments =
                new ArrayList<>(List.of("wait", "--control", control.toString()));
        arguments.addAll(List.of(more));
        return rig.keep(LockstepProcess.start(rig.directory(), arguments));
    }

    private static long epochOf(final JsonObject event) {
        return event.getAsJsonObject("data").get("epoch").getAsLong();
    }

    /** A thread reads events until one behind the last is told as durable; all in order. */
    private CompletableFuture<Long> listen(final Path socket) {
        final QmpLine line = rig.keep(QmpLine.connect(socket));
        return CompletableFuture.supplyAsync(
                () -> readBehind(line), action -> Thread.ofPlatform().daemon().start(action));
    }

    private long readBehind(final QmpLine line) {
        long committed = 0;
        long durable = 0;
        while (durable <= last.get()) {
            final JsonObject event = line.nextOfAny();
            switch (event.get("event").getAsString()) {
                case "X_LOCKSTEP_CHECKPOINT" -> {
                    assertTrue(epochOf(event) > committed, event::toString);
                    committed = epochOf(event);
                }
                case "X_LOCKSTEP_DURABLE" -> {
                    assertTrue(epochOf(event) > durable, event::toString);
                    durable = epochOf(event);
                    assertTrue(durable <= committed, event::toString);
                }
                default -> {}
            }
        }
        return durable;
    }

    @Test
    void underALoadOfFlushesEpochsRiseForAllAndNoneIsDurableFirst() throws Exception {
        final ReplicatedPair pair = pair("--ack", "flush");
        final CompletableFuture<Long> primary = listen(pair.primaryControlSocket());
        final CompletableFuture<Long> secondary = listen(pair.secondaryControlSocket());
        final LockstepProcess here = startWait(pair.primaryControlSocket(), "--epoch", "60");
        final LockstepProcess there = startWait(pair.secondaryControlSocket(), "--epoch", "60");
        final Program load = rig.startPython(FLUSHES, pair.guest("a"));
        for (final LockstepProcess waiter : List.of(here, there)) {
            assertEquals(0, waiter.awaitExit(), waiter::toString);
            assertTrue(Long.parseLong(waiter.out().strip()) >= 60, waiter::toString);
        }
        final String[] released =
                rig.python(
                                exampleOf("operations.md")
                                                .replace(
                                                        "/run/primary.qmp",
                                                        pair.primaryControlSocket().toString())
                                        + LOOKS)
                        .out()
                        .split("\\s+");
        assertEquals("looked", released[3]);
        assertTrue(Long.parseLong(released[2]) >= Long.parseLong(released[1]));
        load.terminate();
        load.awaitExit();
        final Tool.Output made =
                rig.lockstep(
                                "checkpoint",
                                "--durable",
                                "--control",
                                pair.primaryControlSocket().toString())
                        .requireSuccess();
        assertTrue(made.out().matches("epoch \\d+ committed and durable in .*\n"), made::out);
        final long epoch = Long.parseLong(made.out().split(" ")[1]);
        try (Control south = pair.secondaryControl()) {
            assertEquals(epoch, south.status().get("durable-epoch").getAsLong());
        }
        for (final Path control :
                List.of(pair.primaryControlSocket(), pair.secondaryControlSocket())) {
            final Tool.Output reached =
                    rig.lockstep(
                            "wait", "--durable", "--epoch", "" + epoch, "--control", "" + control);
            assertEquals(epoch + "\n", reached.requireSuccess().out());
        }
        final String text =
                rig.lockstep("status", "--control", pair.primaryControlSocket().toString()).out();
        assertTrue(text.contains(epoch + " committed, " + epoch + " durable"), text);
        last.set(epoch);
        final JsonObject behind;
        try (Control north = pair.primaryControl()) {
            behind = north.execute("x-lockstep-checkpoint", "{'durable': true}").getAsJsonObject();
        }
        assertEquals(behind.get("epoch").getAsLong(), primary.get());
        assertEquals(behind.get("epoch").getAsLong(), secondary.get());
    }

    /** The program in a page, which begins with what it imports. */
    private static String exampleOf(final String page) throws IOException {
        final String text = Files.readString(GuidePage.pathOf(page));
        final int start = text.indexOf("    import ");
        final StringBuilder example = new StringBuilder();
        for (final String line : text.substring(start).lines().toList()) {
            if (!line.isEmpty() && !line.startsWith("    ")) {
                break;
            }
            example.append(line.isEmpty() ? line : line.substring(4)).append('\n');
        }
        return example.toString();
    }

    @Test
    void whoWaitsInVainIsToldWhy() {
        final ReplicatedPair pair = pair();
        final Tool.Output late =
                rig.lockstep(
                        "wait", "--timeout", "50ms", "--control", "" + pair.primaryControlSocket());
        assertEquals(1, late.exitCode(), late::toString);
        assertTrue(late.err().contains("it did not come in time"), late::err);

        final LockstepProcess stopped =
                startWait(pair.secondaryControlSocket(), "--epoch", NEVER, "--durable");
        final LockstepProcess killed = startWait(pair.primaryControlSocket(), "--epoch", NEVER);
        for (final LockstepProcess one : List.of(stopped, killed)) {
            Rig.pause();
            assertTrue(one.isRunning(), one::toString);
        }
        pair.primary().kill();
        assertEquals(1, killed.awaitExit(), killed::toString);
        assertTrue(killed.err().contains(") is gone"), killed::err);
        assertTrue(Path.of(pair.primaryControlSocket() + ".epochs").toFile().exists());
        assertEquals(0, pair.secondary().stop());
        assertEquals(1, stopped.awaitExit(), stopped::toString);
        assertTrue(
                stopped.err().contains("the engine has ended")
                        || stopped.err().contains("no engine has its control socket"),
                stopped::err);
        assertFalse(Path.of(pair.secondaryControlSocket() + ".epochs").toFile().exists());
    }

    /** What a failover leads to is no secondary any more. */
    @Test
    void aFailoverEndsTheWaitOnTheSecondary() {
        final ReplicatedPair pair = pair();
        pair.checkpoint();
        final LockstepProcess waiter = startWait(pair.secondaryControlSocket(), "--epoch", NEVER);
        pair.primary().kill();
        pair.failOver();
        assertEquals(1, waiter.awaitExit(), waiter::toString);
        assertTrue(waiter.err().contains("replication has ended there"), waiter::err);
    }

    @Test
    void aDurableCheckpointIsRefusedWhereThereCanBeNone() {
        final ReplicatedPair pair = pair();
        final Tool.Output there =
                rig.lockstep(
                        "checkpoint",
                        "--durable",
                        "--control",
                        pair.secondaryControlSocket().toString());
        assertEquals(1, there.exitCode(), there::toString);
        assertTrue(there.err().contains("the primary makes the checkpoints"), there::err);
        pair.secondary().kill();
        try (Control control = pair.primaryControl()) {
            control.await("cut", status -> !status.get("linked").getAsBoolean());
        }
        final Tool.Output away =
                rig.lockstep(
                        "checkpoint",
                        "--durable",
                        "--control",
                        pair.primaryControlSocket().toString());
        assertEquals(1, away.exitCode(), away::toString);
        assertTrue(away.err().matches("lockstep checkpoint: .*secondary.*\n"), away::err);
        pair.startSecondary();
        pair.awaitHealed();
    }

    /** A node that is a secondary has a level all the same, for when it is a primary. */
    @Test
    void aLevelThatASecondaryIsGivenCountsWhenItIsAPrimary() {
        final NodeHost north = new NodeHost(rig, "n", "s", "primary");
        final NodeHost south = new NodeHost(rig, "s", "n", "secondary");
        south.start();
        north.start();
        try (Control control = north.control()) {
            control.awaitHealed();
            assertTrue(
                    control.refuse("x-lockstep-set-ack", "{'level':'local,durable'}")
                            .sentence()
                            .startsWith("Parameter 'level' expects local, flush, "));
            control.execute("x-lockstep-set-ack", "{'level':'write'}");
            assertEquals("write", levelOf(control.status()));
        }
        try (Control control = south.control()) {
            control.execute("x-lockstep-set-ack", "{'level':'flush,durable'}");
            assertFalse(control.status().has("ack"));
        }
        rig.lockstep("switchover", "--control", south.socket("c").toString()).requireSuccess();
        try (Control control = south.control()) {
            control.awaitHealed();
            assertEquals("flush,durable", levelOf(control.status()));
        }
        south.write(3); // is answered, at that level
        rig.lockstep("switchover", "--control", north.socket("c").toString()).requireSuccess();
        try (Control control = north.control()) {
            control.awaitHealed();
            assertEquals("write", levelOf(control.status()), "it was a secondary meanwhile");
        }
    }

    private static String levelOf(final JsonObject status) {
        return status.getAsJsonObject("ack").get("level").getAsString();
    }
}
