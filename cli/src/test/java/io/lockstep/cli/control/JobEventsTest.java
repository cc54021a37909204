package io.lockstep.cli.control;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.lockstep.engine.group.Job;
import io.lockstep.engine.group.Job.State;

import org.junit.jupiter.api.Test;

import java.util.List;

/** A job's events come in QEMU's order, and none twice. */
final class JobEventsTest {
    private final JobEvents events = new JobEvents();
    private final QmpSchema schema = QmpDeclarations.schema();

    private List<String> tell(final State state, final boolean isPaused, final String error) {
        final List<JobEvents.Event> told =
                events.of(
                        new Job.Report(Job.Kind.SYNCHRONISATION, state, isPaused, 1, 2, 3, error));
        told.forEach(
                event -> assertTrue(schema.isEvent(event.name(), event.data()), event::toString));
        return told.stream()
                .map(
                        event ->
                                event.data().has("status")
                                        ? event.data().get("status").getAsString()
                                        : event.name())
                .toList();
    }

    @Test
    void oneThatComesToItsEnd() {
        assertEquals(List.of("created"), tell(State.CREATED, false, ""));
        assertEquals(List.of("running"), tell(State.RUNNING, false, ""));
        assertEquals(List.of("paused"), tell(State.RUNNING, true, ""));
        assertEquals(List.of(), tell(State.RUNNING, true, ""));
        assertEquals(List.of("running"), tell(State.RUNNING, false, ""));
        assertEquals(List.of("ready", "BLOCK_JOB_READY"), tell(State.READY, false, ""));
        assertEquals(List.of("standby"), tell(State.READY, true, ""));
        assertEquals(List.of("ready"), tell(State.READY, false, ""));
        assertEquals(
                List.of("waiting", "pending", "BLOCK_JOB_COMPLETED", "concluded", "null"),
                tell(State.COMPLETED, false, ""));
    }

    @Test
    void theNextOneOfThatNameIsAnotherOne() {
        tell(State.RUNNING, false, "");
        tell(State.COMPLETED, false, "");
        assertEquals(List.of("created", "running"), tell(State.RUNNING, false, ""));
        assertEquals(
                List.of("aborting", "BLOCK_JOB_CANCELLED", "concluded", "null"),
                tell(State.CANCELLED, false, ""));
    }

    @Test
    void oneThatFailsSaysWhy() {
        tell(State.RUNNING, false, "");
        assertEquals(
                List.of("aborting", "BLOCK_JOB_COMPLETED", "concluded", "null"),
                tell(State.FAILED, false, "it broke"));
    }
}
