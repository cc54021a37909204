package io.lockstep.cli.run;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.lockstep.engine.loop.Endpoint;
import io.lockstep.engine.node.Id;
import io.lockstep.engine.node.NodeRecord;
import io.lockstep.engine.primary.Fencing;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;

/** What becomes of a command that fences, by what it does. */
@Timeout(60)
final class FenceCommandTest {
    private static final Duration LONG = Duration.ofSeconds(50);

    private final List<String> said = new CopyOnWriteArrayList<>();

    @TempDir private Path folder;

    private CompletableFuture<Fencing.Answer> run(final String command, final Duration timeout) {
        return new FenceCommand(command, timeout, "/run/c.qmp", said::add)
                .fence(
                        new Fencing.Loss(
                                NodeRecord.fresh(new Id(1, 2), new Id(3, 4), List.of()),
                                new Endpoint.Tcp("south", 10809),
                                List.of("vda", "vdb"),
                                7,
                                0,
                                "it's \"lost\""));
    }

    @ParameterizedTest
    @CsvSource({"0, FENCED", "1, NOT_FENCED", "2, NOT_FENCED", "3, TAKEN_OVER", "255, NOT_FENCED"})
    void itsExitCodeIsTheAnswer(final int code, final Fencing.Outcome outcome) {
        assertEquals(outcome, run("exit " + code, LONG).join().outcome());
    }

    @Test
    void oneThatIsKilledHasFencedNobody() {
        assertEquals(Fencing.Outcome.NOT_FENCED, run("kill -9 $$", LONG).join().outcome());
    }

    @Test
    void oneThatIsNotThereHasFencedNobody() {
        final Fencing.Answer answer = run(folder + "/none", LONG).join();
        assertEquals(Fencing.Outcome.NOT_FENCED, answer.outcome());
        assertTrue(answer.sentence().contains("127"), answer.sentence());
    }

    @Test
    void itHearsWhatIsKnown() {
        final String environment =
                "echo \"$LOCKSTEP_NODE $LOCKSTEP_PEER $LOCKSTEP_DISKS $LOCKSTEP_COMMITTED_EPOCH"
                        + " [$LOCKSTEP_DURABLE_EPOCH] $LOCKSTEP_REASON $LOCKSTEP_CONTROL\"; cat";
        run(environment, LONG).join();
        awaitSaid(
                "fence: "
                        + new Id(1, 2)
                        + " nbd://south:10809/ vda vdb 7 [] it's \"lost\" /run/c.qmp");
    }

    private void awaitSaid(final String line) {
        for (int waited = 0; !said.contains(line); waited++) {
            assertTrue(waited < 1000, said::toString);
            sleep();
        }
    }

    private static void sleep() {
        try {
            TimeUnit.MILLISECONDS.sleep(10);
        } catch (final InterruptedException e) {
            throw new AssertionError(e);
        }
    }

    /** With what it has started, which would go on otherwise. */
    @Test
    void oneThatTakesTooLongIsKilledWithItsChildren() throws Exception {
        final Path pid = folder.resolve("pid");
        final Fencing.Answer answer =
                run("sleep 3600 & echo $! >" + pid + "; wait", Duration.ofSeconds(1)).join();
        assertEquals(Fencing.Outcome.NOT_FENCED, answer.outcome());
        assertTrue(answer.sentence().contains("did not end within 1.00 s"), answer.sentence());
        awaitEnd(pid);
    }

    private static void awaitEnd(final Path pid) throws Exception {
        final long child = Long.parseLong(Files.readString(pid).strip());
        while (ProcessHandle.of(child).filter(FenceCommandTest::isAtWork).isPresent()) {
            sleep();
        }
    }

    /** Nobody may take its exit code; then it is there, and does nothing. */
    private static boolean isAtWork(final ProcessHandle process) {
        try {
            return !Files.readString(Path.of("/proc/" + process.pid() + "/stat")).contains(") Z ");
        } catch (final IOException e) {
            return false;
        }
    }

    @Test
    void oneThatNobodyWaitsForAnyMoreIsKilled() throws Exception {
        final Path pid = folder.resolve("pid");
        final CompletableFuture<Fencing.Answer> answer =
                run("echo $$ >" + pid + ".new; mv " + pid + ".new " + pid + "; sleep 3600", LONG);
        while (!Files.exists(pid)) {
            assertFalse(answer.isDone());
            sleep();
        }
        answer.cancel(true);
        awaitEnd(pid);
    }

    @Test
    void ofMuchThatItPrintsTheFirstLinesAreSaid() {
        run("i=0; while [ $i -lt 1000 ]; do echo $i; i=$((i+1)); done", LONG).join();
        awaitSaid("fence: what it prints behind that is left out");
        assertEquals(21, said.size());
        assertEquals("fence: 19", said.get(19));
    }
}
