package io.lockstep.engine.primary;

import io.lockstep.engine.group.GroupException;

import java.util.ArrayList;
import java.util.List;
import java.util.NavigableMap;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.function.LongConsumer;
import java.util.function.LongFunction;

/**
 * The epochs of a primary, as it knows them, and who waits for one to be sealed or committed. On
 * the guest's loop.
 */
final class PrimaryEpochs {
    /** Epochs that may be uncommitted at a time, the open one included. */
    private static final int UNCOMMITTED_MAX = 2;

    private long open = 1;
    private long sealed;
    private long committed;
    private long durable;

    /** The epoch with whose commit the secondary is equal; none while that is not sealed. */
    private long equalWith = Long.MAX_VALUE;

    private final NavigableMap<Long, CompletableFuture<Long>> seals = new TreeMap<>();
    private final NavigableMap<Long, CompletableFuture<Void>> commits = new TreeMap<>();
    private final NavigableMap<Long, CompletableFuture<Void>> durables = new TreeMap<>();

    private LongConsumer whenOpened = epoch -> {};

    /** Somebody hears of each epoch that is opened from now on, before anything belongs to it. */
    void onOpened(final LongConsumer action) {
        whenOpened = action;
    }

    /** A synchronisation has sent all, and its end is not sealed yet. */
    void awaitEqualSeal() {
        equalWith = Long.MAX_VALUE;
    }

    /** Its end is sealed with the open epoch. */
    void sealEqual() {
        equalWith = open();
    }

    /**
     * Whether the secondary is equal with that commit. One of an earlier epoch, which a manager has
     * asked for once more, says nothing of that.
     */
    boolean isEqualWith(final long epoch) {
        return epoch >= equalWith;
    }

    /** The one that writes belong to now. */
    long open() {
        return open;
    }

    /** The last one that the secondary has sealed on every disk. */
    long sealed() {
        return sealed;
    }

    /** The last one that the secondary has committed. */
    long committed() {
        return committed;
    }

    /** The last one that is committed and on the secondary's stable storage, as far as is known. */
    long durable() {
        return durable;
    }

    /**
     * The secondary has sealed epochs before this primary came. Where it counts from less than was
     * committed here, it is another one, or was put back: nothing of this count is committed, or
     * durable, before it says so.
     */
    void goOnBehind(final long lastSealed) {
        open = lastSealed + 1;
        sealed = lastSealed;
        if (committed > lastSealed) {
            committed = 0;
            durable = 0;
        }
        durable = Math.min(durable, lastSealed);
        if (equalWith < Long.MAX_VALUE) {
            equalWith = Math.min(equalWith, open); // what is sealed from here on comes behind it
        }
        whenOpened.accept(open);
    }

    /** Whether one more may be uncommitted. */
    boolean maySeal() {
        return open + 1 <= committed + UNCOMMITTED_MAX;
    }

    /** Ends the open one; answers when the secondary has sealed it. */
    CompletableFuture<Long> seal() {
        final long ended = open++;
        whenOpened.accept(open);
        return whenSealed(ended);
    }

    /** Answers when the secondary has sealed one that was ended here. */
    CompletableFuture<Long> whenSealed(final long epoch) {
        return epoch <= sealed
                ? CompletableFuture.completedFuture(epoch)
                : seals.computeIfAbsent(epoch, absent -> new CompletableFuture<>());
    }

    /** Answers when the secondary has committed one that is sealed and not committed yet. */
    CompletableFuture<Void> whenCommitted(final long epoch) {
        return commits.computeIfAbsent(epoch, absent -> new CompletableFuture<>());
    }

    /** The secondary has sealed one. */
    void onSealed(final long epoch) {
        sealed = Math.max(sealed, epoch);
        final CompletableFuture<Long> answer = seals.remove(epoch);
        if (answer != null) {
            answer.complete(epoch);
        }
    }

    /** Whether one was ended, and is to be sealed. */
    boolean isAwaited(final long epoch) {
        return seals.containsKey(epoch);
    }

    /** The secondary has committed one; answers whether that is news, and nobody else is told. */
    boolean commit(final long epoch) {
        final boolean isNews = epoch > committed;
        committed = Math.max(committed, epoch);
        return isNews;
    }

    /** Tells those who wait for what is committed by now. */
    void tellCommitted() {
        onSealed(committed);
        tell(commits, committed);
    }

    private static void tell(
            final NavigableMap<Long, CompletableFuture<Void>> waiting, final long epoch) {
        final NavigableMap<Long, CompletableFuture<Void>> done = waiting.headMap(epoch, true);
        final List<CompletableFuture<Void>> answers = List.copyOf(done.values());
        done.clear();
        answers.forEach(answer -> answer.complete(null));
    }

    /** Answers when the secondary has one on its stable storage. */
    CompletableFuture<Void> whenDurable(final long epoch) {
        return epoch <= durable
                ? CompletableFuture.completedFuture(null)
                : durables.computeIfAbsent(epoch, absent -> new CompletableFuture<>());
    }

    /** The newest that somebody waits for to be durable; 0 for none. */
    long durableAwaited() {
        return durables.isEmpty() ? 0 : durables.lastKey();
    }

    /** The secondary has one on its stable storage; answers whether that is news. */
    boolean onDurable(final long epoch) {
        final boolean isNews = epoch > durable && epoch <= committed;
        if (!isNews) {
            return false; // one that is not committed here is of another numbering
        }
        durable = Math.max(durable, epoch);
        tell(durables, durable);
        return true;
    }

    /**
     * Nobody need wait any more: of each epoch that is waited for a sentence says why. None of them
     * is sealed any more.
     */
    void fail(final LongFunction<String> sentenceOf) {
        final List<Runnable> answers = failures(sentenceOf);
        seals.clear();
        commits.clear();
        durables.clear();
        answers.forEach(Runnable::run);
    }

    /**
     * The same, but what was ended is sealed all the same when the secondary is back: its number is
     * taken, and one behind it would never be sealed without it.
     */
    void failForNow(final LongFunction<String> sentenceOf) {
        final List<Runnable> answers = failures(sentenceOf);
        seals.replaceAll((epoch, answer) -> new CompletableFuture<>());
        commits.clear();
        durables.clear();
        answers.forEach(Runnable::run);
    }

    private List<Runnable> failures(final LongFunction<String> sentenceOf) {
        final List<Runnable> answers = new ArrayList<>();
        seals.forEach((epoch, answer) -> answers.add(failing(answer, sentenceOf.apply(epoch))));
        commits.forEach((epoch, answer) -> answers.add(failing(answer, sentenceOf.apply(epoch))));
        durables.forEach((epoch, answer) -> answers.add(failing(answer, sentenceOf.apply(epoch))));
        return answers;
    }

    private static Runnable failing(final CompletableFuture<?> answer, final String sentence) {
        return () -> answer.completeExceptionally(new GroupException(sentence));
    }
}
