package io.lockstep.cli.argument;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.lockstep.engine.primary.SyncRate;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import picocli.CommandLine.TypeConversionException;

/** Two rates, of which either may be left out. */
final class SyncRateConverterTest {
    private final SyncRateConverter converter = new SyncRateConverter();

    @Test
    void readsTwoSizes() {
        assertEquals(new SyncRate(20 << 20, 200 << 20), converter.convert("20M:200M"));
        assertEquals(new SyncRate(1, 1), converter.convert("1:1"));
    }

    @Test
    void whatIsLeftOutIsAsUsual() {
        assertEquals(SyncRate.DEFAULT, converter.convert("4M:"));
        assertEquals(SyncRate.DEFAULT, converter.convert(":"));
        assertEquals(new SyncRate(4 << 20, 200 << 20), converter.convert(":200M"));
        assertEquals(new SyncRate(1 << 20, 1 << 20), converter.convert(":1M"));
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "20M", "20M:10M", "0:10M", ":0", "a:b", "1:2:3"})
    void refusesWhatIsNoRate(final String text) {
        assertThrows(TypeConversionException.class, () -> converter.convert(text));
    }
}
