package io.lockstep.engine.disk;

/**
 * Completions that wait for their delivery, in the order in which they came: what the disks of a
 * loop use to keep {@link Disk}'s promise that none comes in the call that submits. Grows, never
 * shrinks. Single threaded.
 */
public final class CompletionRing {
    private static final int FIRST_CAPACITY = 256;

    private Disk.Completion[] completions = new Disk.Completion[FIRST_CAPACITY];
    private long[] tokens = new long[FIRST_CAPACITY];
    private int[] errnos = new int[FIRST_CAPACITY];
    private int head;
    private int tail;

    /** An operation has ended. */
    public void add(final Disk.Completion completion, final long token, final int errno) {
        if (tail - head == completions.length) {
            grow();
        }
        final int index = tail & completions.length - 1;
        completions[index] = completion;
        tokens[index] = token;
        errnos[index] = errno;
        tail++;
    }

    /** Delivers the oldest; answers false where there is none. */
    public boolean deliver() {
        if (head == tail) {
            return false;
        }
        final int index = head & completions.length - 1;
        final Disk.Completion completion = completions[index];
        completions[index] = null;
        head++;
        completion.onComplete(tokens[index], errnos[index]);
        return true;
    }

    private void grow() {
        final int length = completions.length;
        final Disk.Completion[] grownCompletions = new Disk.Completion[length * 2];
        final long[] grownTokens = new long[length * 2];
        final int[] grownErrnos = new int[length * 2];
        for (int i = 0; i < length; i++) {
            final int from = head + i & length - 1;
            grownCompletions[i] = completions[from];
            grownTokens[i] = tokens[from];
            grownErrnos[i] = errnos[from];
        }
        completions = grownCompletions;
        tokens = grownTokens;
        errnos = grownErrnos;
        head = 0;
        tail = length;
    }
}
