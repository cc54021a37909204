package io.lockstep.interop;

import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;

import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

import java.util.Arrays;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;

/**
 * A database on ext4, on the disk of a primary that is killed in the midst of transactions. Mounted
 * at the secondary that took over, file system and database recover as from a loss of power, and
 * every transaction that was committed is there, where {@code --ack} promises that.
 *
 * <p>More than the few rounds that there is always time for, at each level: {@code
 * -Dlockstep.database.rounds=20}.
 */
@Timeout(value = 1, unit = TimeUnit.HOURS)
final class DatabaseTest {
    private static final int ROUNDS = Integer.getInteger("lockstep.database.rounds", 1);
    private static final int LENGTH = 192 << 20;

    /** So many transactions are committed before a round's kill, at most, and so long it takes. */
    private static final int TRANSACTIONS_MAX = 120;

    private static final int DELAY_MICROS_MAX = 30_000;

    @AutoClose private final Rig rig = new Rig();

    private final long seed = System.nanoTime();
    private final Random random = new Random(seed);

    @ParameterizedTest
    @EnumSource
    void everyTransactionThatSqliteHasCommittedSurvivesThePrimary(
            final AcknowledgementLevel level) {
        live(level, new SqliteDatabase(rig));
    }

    @ParameterizedTest
    @EnumSource(names = {"LOCAL", "FLUSH"})
    void everyTransactionThatPostgresHasCommittedSurvivesThePrimary(
            final AcknowledgementLevel level) {
        live(level, new PostgresDatabase(rig));
    }

    private void live(final AcknowledgementLevel level, final Database database) {
        final AcknowledgingPair pair = AcknowledgingPair.start(rig, level, LENGTH);
        MountedExport disk = MountedExport.format(rig, "m", pair.serving().guest());
        database.make(disk.directory());
        try (Control control = pair.serving().connect()) {
            control.checkpoint(); // so that level local has something to go back to
        }
        int[] last = new int[database.clients()];
        int committed = 0;
        int lost = 0;
        for (int round = 0; round < ROUNDS; round++) {
            final long flushes = flushesAt(pair.serving());
            final NumberedTransactions clients =
                    new NumberedTransactions(database.work(disk.directory(), last), last);
            try {
                killAndFailOver(pair, clients, flushes);
                database.end();
                disk.close();
                disk = MountedExport.attach(rig, "m" + round, pair.serving().guest());
                last = database.check(disk.directory());
                final int lostNow = clients.lost(last);
                final String found = Arrays.toString(last) + " are there";
                assertTrue(clients.mayLeave(last), found);
                assertTrue(lostNow == 0 || !level.coversFlushes(), found);
                committed += clients.committed();
                lost += lostNow;
            } catch (final AssertionError e) {
                throw new AssertionError(
                        "round "
                                + round
                                + " of seed "
                                + seed
                                + ": "
                                + clients
                                + "; "
                                + e.getMessage()
                                + "\n"
                                + pair,
                        e);
            }
            pair.comeBack();
        }
        database.end();
        disk.close();
        rig.run(Tool.E2FSCK, "-f", "-n", pair.serving().disk().toString());
        System.out.printf(
                "%s at --ack %s, %d kills of seed %d: of %d committed transactions %d were lost%n",
                database.getClass().getSimpleName(), level.option(), ROUNDS, seed, committed, lost);
    }

    private void killAndFailOver(
            final AcknowledgingPair pair, final NumberedTransactions clients, final long flushes) {
        clients.await(1 + random.nextInt(TRANSACTIONS_MAX));
        LockSupport.parkNanos(TimeUnit.MICROSECONDS.toNanos(random.nextInt(DELAY_MICROS_MAX)));
        final int commits = clients.committed();
        final long more = flushesAt(pair.serving()) - flushes;
        assertTrue(
                more * clients.count() >= commits, // one flush for several of them, at best
                more + " flushes came, of " + commits + " commits");
        if (random.nextBoolean()) {
            pair.killPrimary();
        } else {
            pair.losePrimary();
        }
        clients.awaitEnd();
        pair.failOver();
    }

    /** How often its guest has flushed the disk, and more that stays as it is meanwhile. */
    private static long flushesAt(final SwitchingHost host) {
        try (Control control = host.connect()) {
            long flushes = 0;
            for (final JsonElement node :
                    control.execute("query-blockstats", "{'query-nodes': true}").getAsJsonArray()) {
                final JsonObject stats = node.getAsJsonObject().getAsJsonObject("stats");
                flushes += stats.get("flush_operations").getAsLong();
            }
            return flushes;
        }
    }
}
