package io.lockstep.engine.service;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.lockstep.engine.loop.Endpoint;
import io.lockstep.engine.node.Word;
import io.lockstep.engine.primary.FullLogPolicy;
import io.lockstep.engine.primary.Peer;
import io.lockstep.engine.primary.PrimaryOptions;
import io.lockstep.engine.secondary.BufferFiles;
import io.lockstep.engine.server.ServerEvents;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;

/** Names and descriptions that NBD has no way to tell: errors where they are given. */
final class EngineNamesTest {
    private static final Endpoint NOWHERE = new Endpoint.Unix(Path.of("/nowhere"));

    private final Queue<String> problems = new ConcurrentLinkedQueue<>();
    @TempDir private Path folder;
    private Engine engine;
    private EngineDisk disk;

    static List<String> badTexts() {
        return List.of("x".repeat(4097), "é".repeat(2049), "a\0b", "\ud800", "a\udc00");
    }

    @BeforeEach
    void start() throws IOException {
        engine =
                Engine.start(
                        new EngineOptions(
                                4,
                                0,
                                new PrimaryOptions(1 << 20, FullLogPolicy.BLOCK, Word.NOW),
                                1,
                                1 << 20,
                                null,
                                null,
                                false,
                                false,
                                (event, name, epoch, sentence) -> problems.add(sentence),
                                new ServerEvents() {
                                    @Override
                                    public void onDiskError(final String sentence) {
                                        problems.add(sentence);
                                    }

                                    @Override
                                    public void onClientProblem(
                                            final String peer, final String sentence) {
                                        problems.add(sentence);
                                    }
                                },
                                thrown -> problems.add(thrown.toString())));
        disk = engine.open("d", image(), false);
        engine.nbdServer().start(4);
    }

    private Path image() throws IOException {
        return Files.write(folder.resolve("image"), new byte[8192]);
    }

    @AfterEach
    void stop() {
        assertTrue(engine.stop());
        assertEquals(List.of(), List.copyOf(problems));
    }

    private static void assertRefused(final Executable action) {
        final String sentence = assertThrows(IOException.class, action).getMessage();
        assertTrue(
                sentence.matches(
                        "the (export name|description|disk's name) (has \\d+ bytes, and NBD allows"
                                + " 4096|contains NUL.*|is no text.*)"),
                sentence);
    }

    @ParameterizedTest
    @MethodSource("badTexts")
    void noExportBearsThem(final String text) throws IOException {
        final ExportServer server = engine.nbdServer();
        assertRefused(
                () ->
                        engine.exportGuest(
                                server, new ExportRequest(text, "", false), GuestView.of(disk)));
        assertRefused(
                () ->
                        engine.exportGuest(
                                server, new ExportRequest("a", text, false), GuestView.of(disk)));
        assertRefused(() -> engine.exportRaw(server, new ExportRequest(text, "", false), disk));
        assertRefused(() -> engine.exportRaw(server, new ExportRequest("a", text, true), disk));
        engine.exportGuest(
                server, new ExportRequest("a", "the loop goes on", false), GuestView.of(disk));
        assertEquals(0, server.clientsOf("a"));
    }

    @ParameterizedTest
    @MethodSource("badTexts")
    void noDiskAndNoPeerBearsThem(final String text) {
        assertRefused(() -> engine.open(text, image(), false));
        final Peer peer = new Peer(NOWHERE, text);
        assertRefused(() -> engine.attach(disk, peer));
        assertRefused(() -> awaitProbe(peer));
    }

    private void awaitProbe(final Peer peer) throws Throwable {
        try {
            engine.probe(peer).get(5, TimeUnit.SECONDS);
        } catch (final ExecutionException e) {
            throw e.getCause();
        }
    }

    /** What the engine says of a disk is as long as its name and more. */
    @ParameterizedTest
    @ValueSource(ints = {4000, 4090, 4096})
    void aDiskOfALongNameIsASecondarysToo(final int length) throws IOException {
        final EngineDisk named =
                engine.open(
                        "n".repeat(length),
                        Files.write(folder.resolve("long"), new byte[1]),
                        false);
        engine.makeSecondary(
                named, new BufferFiles(folder.resolve("active"), folder.resolve("hidden")));
        engine.openSecondary();
        engine.exportRaw(
                engine.nbdServer(), new ExportRequest("e", "x".repeat(4096), false), named);
    }
}
