package io.lockstep.simulator;

/** What happened last, and a hash of all that ever did. Text is made only when somebody looks. */
final class Trace {
    private static final int LENGTH = 100;

    private final boolean isPrinting;
    private final Entry[] entries = new Entry[LENGTH];
    private long count;
    private long hash;

    private record Entry(long time, String who, String what, long first, long second) {
        @Override
        public String toString() {
            return String.format(
                    "    %.6f s  %s %s (%d, %d)%n", time / 1e9, who, what, first, second);
        }
    }

    Trace(final boolean isPrinting) {
        this.isPrinting = isPrinting;
    }

    void add(
            final long time,
            final String who,
            final String what,
            final long first,
            final long second) {
        final Entry entry = new Entry(time, who, what, first, second);
        entries[(int) (count++ % LENGTH)] = entry;
        mix(time);
        mix(who.hashCode());
        mix(what.hashCode());
        mix(first);
        mix(second);
        if (isPrinting) {
            System.out.print(entry);
        }
    }

    long hash() {
        return hash;
    }

    @Override
    public String toString() {
        final StringBuilder text = new StringBuilder();
        for (long i = Math.max(0, count - LENGTH); i < count; i++) {
            text.append(entries[(int) (i % LENGTH)]);
        }
        return text.toString();
    }

    private void mix(final long value) {
        hash = Long.rotateLeft((hash ^ value) * 0x9E3779B97F4A7C15L, 29);
    }
}
