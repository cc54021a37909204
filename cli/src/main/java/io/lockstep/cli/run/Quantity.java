package io.lockstep.cli.run;

import java.util.Locale;

/** Lengths and times as people read them. Stateless. */
public final class Quantity {
    private static final String[] LENGTH_UNITS = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};

    private Quantity() {}

    /** Bytes, such as {@code 1.5 MiB}. */
    public static String bytes(final long length) {
        double number = length;
        int unit = 0;
        while (number >= 1024 && unit < LENGTH_UNITS.length - 1) {
            number /= 1024;
            unit++;
        }
        return (unit == 0 ? Long.toString(length) : String.format(Locale.ROOT, "%.1f", number))
                + " "
                + LENGTH_UNITS[unit];
    }

    /** Nanoseconds, such as {@code 1.52 ms}. */
    public static String nanos(final long nanos) {
        if (nanos < 1_000_000) {
            return String.format(Locale.ROOT, "%.0f µs", nanos / 1e3);
        }
        return nanos < 1_000_000_000
                ? String.format(Locale.ROOT, "%.2f ms", nanos / 1e6)
                : String.format(Locale.ROOT, "%.2f s", nanos / 1e9);
    }
}
