package io.lockstep.cli.argument;

import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Reads a number of bytes such as {@code 65536}, {@code 64K}, {@code 128M} or {@code 2G}. */
public final class SizeConverter implements ITypeConverter<Long> {
    private static final Pattern SIZE = Pattern.compile("(\\d{1,15})([KMGT]?)(i?B)?");
    private static final String UNITS = "KMGT";
    private static final int UNIT_BITS = 10;

    @Override
    public Long convert(final String text) {
        final Matcher matcher = SIZE.matcher(text.toUpperCase(Locale.ROOT).replace("IB", "iB"));
        if (!matcher.matches()) {
            throw new TypeConversionException(
                    "'" + text + "' is no size; write 64K, 128M or 2G, for example");
        }
        final String unit = matcher.group(2);
        final int shift = unit.isEmpty() ? 0 : UNIT_BITS * (UNITS.indexOf(unit) + 1);
        final long number = Long.parseLong(matcher.group(1));
        if (number > Long.MAX_VALUE >> shift) {
            throw new TypeConversionException("'" + text + "' is too large");
        }
        return number << shift;
    }
}
