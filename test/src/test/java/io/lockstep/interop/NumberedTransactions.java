package io.lockstep.interop;

import java.util.Arrays;
import java.util.stream.IntStream;

/**
 * What the clients of a {@link Database} were told, from one start of theirs to their disk's end.
 */
final class NumberedTransactions {
    private final Program clients;
    private final int[] before;

    /**
     * Of clients that were started just now.
     *
     * @param before the number of each one's last transaction that is there
     */
    NumberedTransactions(final Program clients, final int[] before) {
        this.clients = clients;
        this.before = before.clone();
    }

    /** How many clients there are. */
    int count() {
        return before.length;
    }

    /** Waits until the first client has committed so many. */
    void await(final int count) {
        clients.awaitLine(line -> line.equals("committed 0 " + (before[0] + count)));
    }

    /** Waits until they end, as their disk is gone. */
    void awaitEnd() {
        clients.awaitExit(); // or the kernel ends them: what they have mapped is gone
    }

    /** How many they know to be committed, by now. */
    int committed() {
        return sumBehind(lasts("committed"));
    }

    /** How many of those are not there. */
    int lost(final int[] found) {
        final int[] committed = lasts("committed");
        return IntStream.range(0, found.length)
                .map(client -> Math.max(0, committed[client] - found[client]))
                .sum();
    }

    /** Whether nothing is there that was not begun, and nothing is missing of what was before. */
    boolean mayLeave(final int[] found) {
        final int[] begun = lasts("begun");
        return IntStream.range(0, found.length)
                .allMatch(
                        client ->
                                found[client] >= before[client] && found[client] <= begun[client]);
    }

    private int sumBehind(final int[] numbers) {
        return Arrays.stream(numbers).sum() - Arrays.stream(before).sum();
    }

    private int[] lasts(final String word) {
        final int[] lasts = before.clone();
        clients.out()
                .lines()
                .map(line -> line.split(" ", -1))
                .filter(words -> words[0].equals(word))
                .forEach(words -> lasts[Integer.parseInt(words[1])] = Integer.parseInt(words[2]));
        return lasts;
    }

    @Override
    public String toString() {
        return "transactions before: "
                + Arrays.toString(before)
                + ", begun: "
                + Arrays.toString(lasts("begun"))
                + ", committed: "
                + Arrays.toString(lasts("committed"));
    }
}
