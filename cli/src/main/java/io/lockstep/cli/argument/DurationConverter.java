package io.lockstep.cli.argument;

import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

import java.time.Duration;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Reads a time such as {@code 50ms}, {@code 1s}, {@code 0.5s} or {@code 2m}; at most a year. */
public final class DurationConverter implements ITypeConverter<Duration> {
    private static final Pattern DURATION = Pattern.compile("(\\d{1,9}(?:\\.\\d{1,9})?)(ms|s|m|h)");

    /** A year; far from where sums of nanoseconds run over. */
    private static final long HOURS_MAX = 8760;

    private static final double NANOS_MAX = HOURS_MAX * 3600e9;

    @Override
    public Duration convert(final String text) {
        final Matcher matcher = DURATION.matcher(text);
        if (!matcher.matches()) {
            throw new TypeConversionException(
                    "'" + text + "' is no time; write 50ms, 1s or 2m, for example");
        }
        final double unitNanos =
                switch (matcher.group(2)) {
                    case "ms" -> 1e6;
                    case "s" -> 1e9;
                    case "m" -> 60e9;
                    default -> 3600e9;
                };
        final double nanos = Double.parseDouble(matcher.group(1)) * unitNanos;
        if (nanos > NANOS_MAX) {
            throw new TypeConversionException(
                    "'" + text + "' is too long; at most " + HOURS_MAX + "h");
        }
        return Duration.ofNanos(Math.round(nanos));
    }
}
