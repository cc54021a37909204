package io.lockstep.engine.state;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.lockstep.engine.disk.HelperThreads;
import io.lockstep.engine.loop.NioLoop;
import io.lockstep.engine.node.DiskIdentity;
import io.lockstep.engine.node.Id;
import io.lockstep.engine.node.Node;
import io.lockstep.engine.node.NodeException;
import io.lockstep.engine.node.NodeRecord;
import io.lockstep.engine.node.Reign;
import io.lockstep.engine.node.Standing;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;

/** A node on a loop, whose record other threads bring to storage. */
final class LoopStateStoreTest {
    private static final Id BOOT = new Id(8, 1);

    @TempDir private Path directory;

    @Test
    void theLoopHearsWhatBecameOfTheRecord() throws Exception {
        final List<Throwable> errors = new CopyOnWriteArrayList<>();
        final NodeRecord fresh =
                NodeRecord.fresh(new Id(1, 1), BOOT, List.of(new DiskIdentity("vda", 4096, "")));
        try (StateFile file = StateFile.open(directory.resolve("state"));
                HelperThreads helpers = new HelperThreads();
                NioLoop loop = new NioLoop("test-loop", 1000, errors::add)) {
            file.load();
            loop.start();
            final Node node = new Node(fresh, new LoopStateStore(file, helpers, loop));
            final CompletableFuture<Thread> reigning = new CompletableFuture<>();
            final CompletableFuture<Throwable> refused = new CompletableFuture<>();
            loop.execute(
                    () -> {
                        node.reign(new Id(7, 1), new Reign(new Id(2, 1), 0, 0))
                                .thenRun(() -> reigning.complete(Thread.currentThread()));
                        node.part(new Reign(new Id(2, 2), 3, 60))
                                .thenRun(() -> breakCopies(file.directory()))
                                .thenCompose(done -> node.rejoin(new Id(1, 2), 3))
                                .whenComplete((done, failure) -> refused.complete(failure));
                    });
            assertTrue(
                    reigning.get(30, TimeUnit.SECONDS).getName().contains("test-loop"),
                    "heard elsewhere");
            final Throwable failure = refused.get(30, TimeUnit.SECONDS).getCause();
            assertTrue(failure instanceof NodeException, () -> "" + failure);
            assertTrue(failure.getMessage().startsWith("the state can't be recorded: "));
            assertEquals(Standing.ALONE, node.standing());
        }
        Files.delete(directory.resolve("state/state-0"));
        assertEquals(
                Optional.of(Standing.ALONE),
                StateFile.read(directory.resolve("state")).map(NodeRecord::standing));
        assertEquals(List.of(), errors);
    }

    private static void breakCopies(final Path directory) {
        try {
            Files.delete(directory.resolve("state-0"));
            Files.createDirectory(directory.resolve("state-0"));
        } catch (final IOException e) {
            throw new AssertionError(e);
        }
    }
}
