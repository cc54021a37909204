package io.lockstep.interop;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonObject;

import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.StandardCopyOption;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** Pairs whose primary does not go on alone, and a guest that writes without a break. */
@Timeout(value = 3, unit = TimeUnit.MINUTES)
final class SuspendedPairTest {
    private static final int LENGTH = 4 << 20;

    @AutoClose private final Rig rig = new Rig();

    private final ReplicatedPair pair = new ReplicatedPair(rig, "", 2, LENGTH);

    private SerialWrites startGuest() {
        final SerialWrites guest = SerialWrites.start(rig, pair, LENGTH, -1);
        guest.await(500);
        return guest;
    }

    private JsonObject await(final String what) {
        try (Control control = pair.primaryControl()) {
            return control.await(what, status -> waiting(status).contains(what));
        }
    }

    private static String waiting(final JsonObject status) {
        return status.get("waiting").getAsString();
    }

    private void promote() {
        try (Control control = pair.primaryControl()) {
            control.execute("x-lockstep-promote");
        }
    }

    private List<byte[]> primaryDisks() {
        return pair.disks().stream().map(pair::primaryDisk).map(Rig::read).toList();
    }

    /** Whoever waits makes no step. */
    private static void assertStands(final SerialWrites guest) throws InterruptedException {
        final int count = guest.count();
        TimeUnit.SECONDS.sleep(1);
        assertTrue(guest.count() <= count + 100, "the guest goes on"); // what was printed late
        final int later = guest.count();
        TimeUnit.SECONDS.sleep(1);
        assertEquals(later, guest.count(), "the guest goes on");
    }

    private void verifyEnd(final SerialWrites guest) {
        final SerialWrites.End end = guest.stop();
        assertEquals(end.submitted(), end.acknowledged(), "the guest has heard of an error");
        guest.verify(primaryDisks(), end.acknowledged(), end.acknowledged());
    }

    @Test
    void aGuestSeesThatItTakesLongerAndNoError() throws Exception {
        pair.withPrimary("--on-lost-link", "suspend").start();
        final SerialWrites guest = startGuest();
        pair.secondary().kill();
        final JsonObject status = await("--on-lost-link is suspend");
        assertEquals("suspend", status.get("on-lost-link").getAsString());
        assertStands(guest);
        pair.startSecondary();
        guest.await(guest.count() + 500);
        verifyEnd(guest);
        pair.requireEqual();
        try (Control control = pair.primaryControl()) {
            assertEquals("reigning", control.status().get("standing").getAsString());
            assertEquals("", waiting(control.status()));
        }
    }

    @Test
    void whatWaitsWhenThePrimaryIsStoppedIsNotLost() {
        pair.withPrimary("--on-lost-link", "suspend").start();
        final SerialWrites guest = startGuest();
        pair.secondary().kill();
        await("--on-lost-link is suspend");
        assertEquals(0, pair.primary().stop());
        final SerialWrites.End end = guest.end();
        assertEquals(end.acknowledged() + 1, end.submitted());
        guest.assertCutOff();
        guest.verify(primaryDisks(), end.submitted(), end.submitted());

        pair.startPrimary();
        pair.startSecondary();
        pair.awaitHealed();
        guest.verify(primaryDisks(), end.submitted(), end.submitted());
    }

    /** Set up as QEMU's, with a manager, who counts the secondary for lost. */
    @Test
    void aPrimaryThatAManagerHasStartedWaitsAsWell() throws Exception {
        final ReplicationSide south =
                ReplicationSide.secondary(
                        ReplicationPeer.LOCKSTEP, rig, "s", rig.hole("south.img", LENGTH));
        final ReplicationSide north =
                ReplicationSide.primary(
                        ReplicationPeer.LOCKSTEP,
                        rig,
                        "n",
                        rig.hole("north.img", LENGTH),
                        "--on-lost-link",
                        "suspend");
        south.start();
        north.attach(south.socket());
        north.start();
        final SerialWrites guest =
                SerialWrites.start(rig, List.of(north.guest()), LENGTH, rig.path("none"), "", -1);
        guest.await(500);
        south.engine().kill();
        north.control().await("held", status -> waiting(status).contains("suspend"));
        assertStands(guest);
        north.control().execute("x-colo-lost-heartbeat");
        guest.await(guest.count() + 500);
        final SerialWrites.End end = guest.stop();
        assertEquals(end.submitted(), end.acknowledged(), "the guest has heard of an error");
    }

    /** A command that notes what it hears, and ends with what a file says. */
    private void startWithFence(final String... more) throws IOException {
        final String command =
                "echo \"$LOCKSTEP_DISKS: $LOCKSTEP_REASON\" >>"
                        + rig.path("fenced")
                        + "; exit $(cat "
                        + rig.path("code")
                        + ")";
        answer(1);
        pair.withPrimary("--on-lost-link", "fence", command).withPrimary(more).start();
    }

    private void answer(final int code) throws IOException {
        Files.writeString(rig.path("code.new"), code + "\n");
        Files.move(rig.path("code.new"), rig.path("code"), StandardCopyOption.ATOMIC_MOVE);
    }

    private long tries() throws IOException {
        return Files.readAllLines(rig.path("fenced")).size();
    }

    @Test
    void aGuestGoesOnWhenTheSecondaryIsFenced() throws Exception {
        startWithFence();
        final SerialWrites guest = startGuest();
        pair.secondary().kill();
        await("exit code 1");
        assertStands(guest);
        assertEquals(1, tries(), "too soon");
        assertTrue(
                Files.readString(rig.path("fenced"))
                        .startsWith("a b: the secondary at " + pair.linkSocket()));
        answer(0);
        guest.await(guest.count() + 500);
        assertEquals(2, tries());
        verifyEnd(guest);
        pair.startSecondary();
        pair.awaitHealed();
    }

    @ParameterizedTest
    @CsvSource({"2, exit code 2", "3, has taken over"})
    void aGuestWaitsForAWordWhereItIsNot(final int code, final String known) throws Exception {
        startWithFence();
        answer(code);
        final SerialWrites guest = startGuest();
        pair.secondary().kill();
        await(known);
        assertStands(guest);
        promote();
        guest.await(guest.count() + 500);
        verifyEnd(guest);
    }

    @Test
    void aCommandThatTakesTooLongHasFencedNobody() throws Exception {
        pair.withPrimary("--on-lost-link", "fence", "sleep 1000", "--fence-timeout", "1s");
        pair.start();
        final SerialWrites guest = startGuest();
        pair.secondary().kill();
        await("did not end within 1.00 s");
        assertStands(guest);
        pair.startSecondary();
        guest.await(guest.count() + 500);
        verifyEnd(guest);
    }

    @Test
    void aSecondaryThatIsBackMeanwhileIsNotOut() throws Exception {
        final String command =
                String.format(
                        "cd %s; echo >begun; while [ ! -e answered ]; do sleep 0.1; done; echo"
                                + " >done",
                        rig.directory());
        pair.withPrimary("--on-lost-link", "fence", command).start();
        final SerialWrites guest = startGuest();
        pair.secondary().kill();
        Rig.awaitFile(rig.path("begun"), () -> true);
        pair.startSecondary();
        guest.await(guest.count() + 500);
        Files.createFile(rig.path("answered"));
        Rig.awaitFile(rig.path("done"), () -> true);
        guest.await(guest.count() + 500);
        verifyEnd(guest);
        pair.requireEqual();
        try (Control control = pair.primaryControl()) {
            assertEquals("reigning", control.status().get("standing").getAsString());
        }
        assertEquals(0, pair.primary().stop());
        assertFalse(
                rig.lockstep("state", "--json", "--state", pair.primaryDisk("a") + ".lockstep")
                        .requireSuccess()
                        .out()
                        .contains("\"peer-out\":true"));
    }
}
