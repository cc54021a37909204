package io.lockstep.engine.tracking;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.lockstep.engine.disk.Disk;
import io.lockstep.engine.loop.IoLoop;
import io.lockstep.engine.node.Id;

import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.reflect.Proxy;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Queue;
import java.util.function.Consumer;

/** A write of a cold region waits for its record, and no other does. */
final class GuardedDiskTest {
    private static final long REGION = 16 << 20;
    private static final List<Long> LENGTHS = List.of(3000 * REGION);
    private static final Id PEER = new Id(3, 4);

    @TempDir private Path directory;

    private final MemorySegment memory = Arena.ofAuto().allocate(4096);
    private final Queue<Runnable> tasks = new ArrayDeque<>();
    private final Queue<Runnable> timers = new ArrayDeque<>();

    /** What storage has still to do. */
    private final Queue<Runnable> storing = new ArrayDeque<>();

    private final Queue<Runnable> completions = new ArrayDeque<>();
    private final List<Long> begun = new ArrayList<>();
    private final List<String> events = new ArrayList<>();
    private int flushes;
    private int stored;
    private boolean isFull;
    private Tracking tracking;
    private Disk disk;

    @BeforeEach
    void open() throws IOException {
        tracking =
                Tracking.openLasting(
                        TrackingFiles.open(directory, LENGTHS),
                        LENGTHS,
                        new Id(1, 2),
                        (action, whenDone) -> storing.add(() -> store(action, whenDone)),
                        fake(IoLoop.class, this::onLoopCall),
                        ActivityLimits.STANDARD);
        tracking.onNotRecorded(events::add);
        disk = tracking.guard(0, fake(Disk.class, this::onDiskCall));
    }

    private void store(final Background.Action action, final Consumer<Optional<String>> whenDone) {
        stored++;
        try {
            if (isFull) {
                throw new IOException("no space");
            }
            action.run();
            whenDone.accept(Optional.empty());
        } catch (final IOException e) {
            whenDone.accept(Optional.of(e.getMessage()));
        }
    }

    private Object onLoopCall(final String name, final Object[] arguments) {
        switch (name) {
            case "execute" -> tasks.add((Runnable) arguments[0]);
            case "within" -> ((Runnable) arguments[0]).run();
            case "schedule" -> timers.add((Runnable) arguments[1]);
            case "nanoTime" -> {
                return 0L;
            }
            default -> throw new AssertionError(name);
        }
        return null;
    }

    private Object onDiskCall(final String name, final Object[] arguments) {
        switch (name) {
            case "write", "zero" -> {
                begun.add((Long) arguments[0]);
                final Disk.Completion completion =
                        (Disk.Completion) arguments[arguments.length - 2];
                final long token = (Long) arguments[arguments.length - 1];
                completions.add(() -> completion.onComplete(token, 0));
            }
            case "flush" -> {
                flushes++;
                final Disk.Completion completion = (Disk.Completion) arguments[0];
                completions.add(() -> completion.onComplete((Long) arguments[1], 0));
            }
            case "poll" -> {
                return 0;
            }
            case "name" -> {
                return "vda";
            }
            default -> throw new AssertionError(name);
        }
        return null;
    }

    private interface Calls {
        Object on(String name, Object[] arguments);
    }

    private static <T> T fake(final Class<T> seam, final Calls calls) {
        return seam.cast(
                Proxy.newProxyInstance(
                        seam.getClassLoader(),
                        new Class<?>[] {seam},
                        (proxy, method, arguments) -> calls.on(method.getName(), arguments)));
    }

    private void write(final long region) {
        tracking.mark(0, region * REGION, 4096);
        disk.write(region * REGION, 4096, memory, 0, (token, errno) -> {}, 0);
    }

    private void runAll() {
        while (!storing.isEmpty() || !completions.isEmpty() || !tasks.isEmpty()) {
            for (final Queue<Runnable> queue : List.of(storing, completions, tasks)) {
                if (!queue.isEmpty()) {
                    queue.remove().run();
                }
            }
        }
    }

    @Test
    void coldRegionsShareARecordAndHotOnesNeedNone() {
        for (int region = 0; region < 5; region++) {
            write(region);
        }
        assertEquals(List.of(), begun);
        assertEquals(1, storing.size());
        storing.remove().run(); // of the first one
        assertEquals(List.of(0L), begun);
        storing.remove().run(); // of the four that came meanwhile
        assertEquals(5, begun.size());
        runAll();
        assertEquals(2, stored);
        for (int i = 0; i < 1000; i++) {
            write(i % 5);
            completions.remove().run();
        }
        assertEquals(2, stored, "nothing is stored in steady state");
        assertEquals(1005, begun.size());
    }

    @Test
    void whatCanNotBeRecordedIsTriedAgainAndNotDone() {
        isFull = true;
        write(7);
        runAll();
        assertEquals(List.of(), begun);
        assertEquals(1, events.size(), events.toString());
        assertTrue(events.getFirst().contains("no space"), events.toString());
        timers.remove().run();
        runAll();
        assertEquals(2, events.size());
        assertEquals(List.of(), begun);
        isFull = false;
        timers.remove().run();
        runAll();
        assertEquals(List.of(7 * REGION), begun);
    }

    @Test
    void regionsLeaveInBatchesBehindAFlush() {
        for (int region = 0; region < 1024 - 128 - 1; region++) {
            write(region);
            runAll();
        }
        assertEquals(0, flushes);
        for (int region = 1024 - 128 - 1; region < 2048; region++) {
            write(region);
            runAll();
        }
        assertEquals(2048, begun.size());
        assertTrue(flushes > 5 && flushes <= 12, flushes + " flushes");
    }

    @Test
    void aLongZeroIsDoneInPieces() {
        disk.zero(0, 2999 * REGION, 0, (token, errno) -> events.add("errno " + errno), 0);
        runAll();
        assertEquals(List.of("errno 0"), events);
        assertEquals(2999 / 64 + 1, begun.size());
    }

    @Test
    void whatIsForgottenIsSoDurablyBeforeTheNextWrite() {
        write(0);
        runAll();
        tracking.know(PEER, 0, 1);
        runAll();
        assertTrue(tracking.isKnown(PEER));
        tracking.forget();
        write(0);
        assertEquals(1, begun.size());
        tracking.know(PEER, 5, 6);
        assertFalse(tracking.isKnown(PEER), "the record may speak of what it lacked before");
        runAll();
        assertEquals(2, begun.size());
        tracking.know(PEER, 5, 6);
        assertTrue(tracking.isKnown(PEER));
    }
}
