package io.lockstep.cli.control;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonObject;

import io.lockstep.cli.graph.BlockExports;
import io.lockstep.cli.graph.BlockGraph;
import io.lockstep.engine.node.Word;
import io.lockstep.engine.primary.FullLogPolicy;
import io.lockstep.engine.primary.PrimaryOptions;
import io.lockstep.engine.server.ServerEvents;
import io.lockstep.engine.service.Engine;
import io.lockstep.engine.service.EngineOptions;

import org.junit.jupiter.api.Test;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;

/** What a command on the graph that takes long holds up: those on the graph behind it alone. */
final class GraphCommandsTest {
    private static final class Quiet implements ServerEvents {
        @Override
        public void onDiskError(final String sentence) {}

        @Override
        public void onClientProblem(final String peer, final String sentence) {}
    }

    private static void run(
            final QmpServer server, final String command, final List<JsonObject> answers) {
        server.run(new QmpRequest(command, false, new JsonObject(), null), answers::add);
    }

    @Test
    void yankAndQueriesOfTheGroupDoNotWaitForTheGraph() throws Exception {
        final Queue<Runnable> graphThread = new ArrayDeque<>();
        final TasksLoop loop = new TasksLoop();
        try (Engine engine =
                Engine.start(
                        new EngineOptions(
                                4,
                                0,
                                new PrimaryOptions(1 << 20, FullLogPolicy.BLOCK, Word.NOW),
                                1,
                                1 << 20,
                                null,
                                null,
                                true,
                                false,
                                (event, disk, epoch, sentence) -> {},
                                new Quiet(),
                                thrown -> {}))) {
            final BlockGraph graph = new BlockGraph(engine);
            final QmpServer server = new QmpServer(loop, thrown -> {});
            GraphCommands.addTo(server, graph, new BlockExports(graph), graphThread::add);
            YankCommands.addTo(server, graph);
            final List<JsonObject> answers = new ArrayList<>();
            run(server, "query-block", answers);
            run(server, "query-yank", answers);
            run(server, "query-version", answers);
            loop.runAll();
            assertEquals(2, answers.size());
            assertEquals("{\"return\":[]}", answers.getFirst().toString());
            graphThread.remove().run();
            loop.runAll();
            assertEquals(3, answers.size());
            assertTrue(graphThread.isEmpty());
            server.close();
        }
    }
}
