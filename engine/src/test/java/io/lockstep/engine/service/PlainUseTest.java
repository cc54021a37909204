package io.lockstep.engine.service;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.lockstep.engine.disk.Disk;
import io.lockstep.engine.disk.DiskFile;
import io.lockstep.engine.node.DiskIdentity;
import io.lockstep.engine.node.Id;
import io.lockstep.engine.node.Node;
import io.lockstep.engine.node.NodeRecord;
import io.lockstep.engine.node.Reign;
import io.lockstep.engine.node.Selves;
import io.lockstep.engine.node.Standing;
import io.lockstep.engine.node.Word;
import io.lockstep.engine.primary.FullLogPolicy;
import io.lockstep.engine.primary.PrimaryOptions;
import io.lockstep.engine.server.ServerEvents;
import io.lockstep.engine.state.Boot;
import io.lockstep.engine.state.StateFile;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.TimeUnit;

/** A disk of a pair that an engine's guest would write without its pair. */
@Timeout(60)
final class PlainUseTest {
    private static final int LENGTH = 8192;
    private static final Id NODE = new Id(1, 1);
    private static final Id PEER = new Id(1, 2);
    private static final Id GROUP = new Id(7, 1);
    private static final Reign REIGN = new Reign(new Id(2, 1), 0, 3600);

    private final Queue<String> told = new ConcurrentLinkedQueue<>();
    @TempDir private Path folder;
    private Engine engine;

    @BeforeEach
    void makeDisks() throws IOException {
        for (final String disk : List.of("a", "b")) {
            Files.write(image(disk), new byte[LENGTH]);
        }
    }

    private Path image(final String disk) {
        return folder.resolve(disk + ".img");
    }

    private Path state() {
        return folder.resolve("a.img.lockstep");
    }

    @AfterEach
    void stop() {
        if (engine != null) {
            assertTrue(engine.stop());
        }
    }

    private void start(final Path directory, final boolean newGeneration) throws IOException {
        engine =
                Engine.start(
                        new EngineOptions(
                                4,
                                0,
                                new PrimaryOptions(1 << 20, FullLogPolicy.BLOCK, Word.NOW),
                                1,
                                1 << 20,
                                null,
                                directory,
                                true,
                                newGeneration,
                                (event, name, epoch, sentence) -> told.add(sentence),
                                new ServerEvents() {
                                    @Override
                                    public void onDiskError(final String sentence) {
                                        told.add(sentence);
                                    }

                                    @Override
                                    public void onClientProblem(
                                            final String peer, final String sentence) {
                                        told.add(sentence);
                                    }
                                },
                                thrown -> told.add(thrown.toString())));
        engine.nbdServer().start(4);
    }

    private interface Step {
        CompletableFuture<Void> take(Node node);
    }

    private static CompletableFuture<Void> reign(final Node node) {
        return node.reign(GROUP, REIGN).thenCompose(done -> node.rejoin(PEER, 41));
    }

    /** Makes the state of a node of disk a, or of both. */
    private void remember(final Path directory, final List<String> disks, final Step step)
            throws IOException {
        final List<DiskIdentity> identities =
                disks.stream()
                        .map(
                                disk -> {
                                    try (DiskFile file = DiskFile.open(disk, image(disk), true)) {
                                        return file.identity();
                                    } catch (final IOException e) {
                                        throw new AssertionError(e);
                                    }
                                })
                        .toList();
        try (StateFile file = StateFile.open(directory)) {
            final NodeRecord fresh = NodeRecord.fresh(NODE, Boot.current(), identities);
            file.write(fresh);
            step.take(new Node(fresh, file)).join();
        }
    }

    private NodeRecord record() throws IOException {
        return StateFile.read(state()).orElseThrow();
    }

    private EngineDisk open(final String disk) throws IOException {
        return engine.open(disk, image(disk), false);
    }

    private void export(final EngineDisk disk, final boolean isReadOnly) throws IOException {
        engine.exportGuest(
                engine.guests(),
                new ExportRequest(disk.name(), "", isReadOnly),
                GuestView.of(disk));
    }

    private interface Operation {
        void submit(Disk disk, MemorySegment memory, Disk.Completion completion);
    }

    /** Has the guest do something; answers when it is told. */
    private CompletableFuture<Integer> submit(final EngineDisk disk, final Operation operation) {
        final CompletableFuture<Integer> answer = new CompletableFuture<>();
        final MemorySegment memory = Arena.ofAuto().allocate(512);
        memory.fill((byte) 1);
        engine.loop()
                .execute(
                        () -> {
                            operation.submit(
                                    disk.guest(), memory, (token, errno) -> answer.complete(errno));
                            disk.guest().poll();
                        });
        return answer;
    }

    private CompletableFuture<Integer> write(final EngineDisk disk) {
        return submit(
                disk, (guest, memory, completion) -> guest.write(0, 512, memory, 0, completion, 0));
    }

    private int read(final EngineDisk disk) throws Exception {
        return submit(
                        disk,
                        (guest, memory, completion) -> guest.read(0, 512, memory, 0, completion, 0))
                .get(10, TimeUnit.SECONDS);
    }

    private byte firstByte(final String disk) throws IOException {
        return Files.readAllBytes(image(disk))[0];
    }

    /** What can change a disk. */
    enum Change {
        WRITE,
        ZERO,
        DISCARD
    }

    /** Its guest is served; when it has written, the peer can't be taken for equal any more. */
    @ParameterizedTest
    @EnumSource(Change.class)
    void aPrimaryGoesOnAloneBeforeItsGuestsFirstChange(final Change change) throws Exception {
        remember(state(), List.of("a"), node -> reign(node).thenCompose(x -> node.leave(NODE, 42)));
        start(null, false);
        final EngineDisk disk = open("a");
        export(disk, false);
        assertEquals(0, read(disk));
        assertEquals(Standing.REIGNING, record().standing());
        assertEquals(NODE, record().leftSession(), "nothing has changed yet");

        final Standing[] atCompletion = new Standing[1];
        final int errno =
                submit(
                                disk,
                                (guest, memory, completion) -> {
                                    final Disk.Completion look =
                                            (token, result) -> {
                                                atCompletion[0] = standing();
                                                completion.onComplete(token, result);
                                            };
                                    switch (change) {
                                        case WRITE -> guest.write(0, 512, memory, 0, look, 0);
                                        case ZERO -> guest.zero(0, 512, 0, look, 0);
                                        case DISCARD -> guest.discard(0, 512, look, 0);
                                    }
                                })
                        .get(10, TimeUnit.SECONDS);
        assertEquals(0, errno);
        assertEquals(Standing.ALONE, atCompletion[0]);
        assertTrue(record().leftSession().isNone());
        assertEquals(2, record().lineage().reigns().size());
        assertEquals(42, record().lineage().reigns().getFirst().origin());
        assertTrue(told.remove().contains("a generation has begun"));
        assertEquals(0, write(disk).get(10, TimeUnit.SECONDS));
        assertEquals(1, firstByte("a"));
        assertEquals(2, record().lineage().reigns().size(), "one is enough");
        assertEquals(List.of(), List.copyOf(told));
    }

    private Standing standing() {
        try {
            return record().standing();
        } catch (final IOException e) {
            throw new AssertionError(e);
        }
    }

    @Test
    void theFirstChangeWaitsForARecordThatCannotBeStored() throws Exception {
        remember(state(), List.of("a"), PlainUseTest::reign);
        start(null, false);
        final EngineDisk disk = open("a");
        export(disk, false);
        final CompletableFuture<Integer> written;
        try (StateFile held = StateFile.open(state())) {
            written = write(disk);
            while (told.isEmpty()) {
                Thread.onSpinWait();
            }
            assertTrue(told.remove().contains("the guest's writes wait"));
            assertFalse(written.isDone());
            assertEquals(0, firstByte("a"));
            assertEquals(Standing.REIGNING, held.load().orElseThrow().standing());
        }
        assertEquals(0, written.get(10, TimeUnit.SECONDS));
        assertEquals(Standing.ALONE, record().standing());
    }

    /** What it writes then is not what its primary would find there. */
    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void aSecondarysDiskIsNotWrittenWithoutItsPrimary(final boolean isTorn) throws Exception {
        remember(state(), List.of("a"), node -> follow(node, isTorn));
        start(null, false);
        final EngineDisk disk = open("a");
        final String sentence =
                assertThrows(IOException.class, () -> export(disk, false)).getMessage();
        assertTrue(sentence.contains("is a secondary"), sentence);
        assertTrue(sentence.contains("--new-generation"), sentence);
        final ExportRequest raw = new ExportRequest("raw", "", false);
        assertThrows(IOException.class, () -> engine.exportRaw(engine.nbdServer(), raw, disk));
        export(disk, true);
        assertEquals(0, read(disk));
        assertEquals(isTorn ? Standing.INCONSISTENT : Standing.FOLLOWING, record().standing());
    }

    private static CompletableFuture<Void> follow(final Node node, final boolean isTorn) {
        final CompletableFuture<Void> followed = node.follow(Selves.primary(false), 5);
        return isTorn ? followed.thenCompose(done -> node.tear()) : followed;
    }

    @Test
    void itIsWhereSomebodySaysSoAndThePairKnows() throws Exception {
        remember(state(), List.of("a"), node -> follow(node, false));
        start(null, true);
        final EngineDisk disk = open("a");
        export(disk, false);
        assertEquals(Standing.ALONE, record().standing());
        assertTrue(record().isForced());
        assertEquals(5, record().lineage().reigns().getFirst().origin());
        assertEquals(0, write(disk).get(10, TimeUnit.SECONDS));
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void whatAMergeLacksIsNotWrittenWhateverIsSaid(final boolean newGeneration) throws Exception {
        remember(state(), List.of("a"), node -> node.force(GROUP, REIGN));
        start(null, newGeneration);
        final EngineDisk disk = open("a");
        final String sentence =
                assertThrows(IOException.class, () -> export(disk, false)).getMessage();
        assertTrue(sentence.contains("let the merge end, first"), sentence);
        assertTrue(record().isMerging());
    }

    /** One that has taken over, or that nobody was ever in a pair with. */
    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void whoIsAloneAlreadyWritesOn(final boolean isFresh) throws Exception {
        remember(
                state(),
                List.of("a"),
                node ->
                        isFresh
                                ? node.close()
                                : node.force(GROUP, REIGN).thenCompose(done -> node.merged()));
        final NodeRecord before = record();
        start(null, false);
        final EngineDisk disk = open("a");
        export(disk, false);
        assertEquals(0, write(disk).get(10, TimeUnit.SECONDS));
        assertEquals(before, record());
        assertEquals(List.of(), List.copyOf(told));
    }

    /** A group's state lies beside its first disk. */
    @Test
    void theSecondDiskOfAGroupIsFoundByTheFirst() throws Exception {
        remember(state(), List.of("a", "b"), node -> follow(node, false));
        start(null, false);
        open("a");
        final EngineDisk second = open("b");
        assertThrows(IOException.class, () -> export(second, false));
    }

    @Test
    void aStateThatWasNamedIsFound() throws Exception {
        remember(folder.resolve("state"), List.of("b"), node -> follow(node, false));
        start(folder.resolve("state"), false);
        final EngineDisk disk = open("b");
        assertThrows(IOException.class, () -> export(disk, false));
    }

    /** What somebody else's node remembers beside another disk says nothing of this one. */
    @Test
    void aDiskOfNoPairIsWritten() throws Exception {
        remember(state(), List.of("a"), node -> follow(node, false));
        start(null, false);
        open("a");
        final EngineDisk other = open("b");
        export(other, false);
        assertEquals(0, write(other).get(10, TimeUnit.SECONDS));
    }
}
