package io.lockstep.cli.argument;

import io.lockstep.engine.primary.SyncRate;

import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** Reads two rates such as {@code 20M:200M}, {@code 20M:} or {@code :200M}. */
public final class SyncRateConverter implements ITypeConverter<SyncRate> {
    private final SizeConverter sizes = new SizeConverter();

    @Override
    public SyncRate convert(final String text) {
        final int colon = text.indexOf(':');
        if (colon < 0) {
            throw new TypeConversionException(
                    "'" + text + "' is no MIN:MAX; write 20M:200M, 20M: or :200M, for example");
        }
        final long max =
                colon == text.length() - 1
                        ? SyncRate.DEFAULT.max()
                        : sizes.convert(text.substring(colon + 1));
        final long min =
                colon == 0
                        ? Math.min(SyncRate.DEFAULT.min(), max)
                        : sizes.convert(text.substring(0, colon));
        if (min < 1 || max < min) {
            throw new TypeConversionException(
                    "'" + text + "': MIN must be at least 1, and no more than MAX");
        }
        return new SyncRate(min, max);
    }
}
