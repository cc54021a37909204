package io.lockstep.cli.graph;

import com.google.gson.JsonObject;

import io.lockstep.engine.throttle.ThrottleLimits;
import io.lockstep.engine.throttle.ThrottleRate;

import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The limits of a throttle group as QEMU's users write them: an immutable value, each of its
 * numbers under QEMU's name, of which some may be said anew. Source: {@code ThrottleLimits} of
 * QEMU's {@code qapi/block-core.json}, {@code docs/throttle.txt}, and what 7.2 was seen to answer.
 */
final class ThrottleValues {
    private static final String[] UNITS = {"bps", "iops"};
    private static final String[] DIRECTIONS = {"total", "read", "write"};
    private static final String MAX = "-max";
    private static final String LENGTH = "-max-length";
    private static final String OPERATION_LENGTH = "iops-size";

    /** Of rates. */
    private static final long VALUE_MAX = 1_000_000_000_000_000L;

    /** Of lengths. */
    private static final long UINT32_MAX = 0xffff_ffffL;

    /** None. */
    static final ThrottleValues NONE = new ThrottleValues(defaults());

    /** The names of its numbers. */
    static final List<String> NAMES = List.copyOf(NONE.byName.keySet());

    private final Map<String, Long> byName;

    private ThrottleValues(final Map<String, Long> byName) {
        this.byName = Collections.unmodifiableMap(byName);
    }

    private static Map<String, Long> defaults() {
        final Map<String, Long> values = new LinkedHashMap<>();
        for (final String rate : rates()) {
            values.put(rate, 0L);
            values.put(rate + MAX, 0L);
            values.put(rate + LENGTH, 1L);
        }
        values.put(OPERATION_LENGTH, 0L);
        return values;
    }

    private static List<String> rates() {
        final List<String> rates = new ArrayList<>();
        for (final String unit : UNITS) {
            for (final String direction : DIRECTIONS) {
                rates.add(unit + "-" + direction);
            }
        }
        return rates;
    }

    private static boolean isLength(final String name) {
        return name.endsWith(LENGTH) || name.equals(OPERATION_LENGTH);
    }

    /** One of them. */
    long get(final String name) {
        return byName.get(name);
    }

    /**
     * With those that are said in an object of limits; the others stay.
     *
     * @throws GraphException where one is none
     */
    ThrottleValues with(final NodeOptions limits) {
        final ThrottleValues said = with(limits, "");
        limits.end("a throttle group's limits", "QEMU's ThrottleLimits");
        return said;
    }

    /** The same for those that are a group's own properties, in the older notation. */
    ThrottleValues withProperties(final NodeOptions group, final String prefix) {
        for (final String name : NAMES) {
            if (group.isNegative(prefix + name)) {
                throw new GraphException("Property values cannot be negative");
            }
        }
        return with(group, prefix);
    }

    private ThrottleValues with(final NodeOptions options, final String prefix) {
        final Map<String, Long> values = new LinkedHashMap<>(byName);
        for (final String name : NAMES) {
            if (options.has(prefix + name)) {
                final long value = options.integer(prefix + name);
                if (isLength(name) && (value < 0 || value > UINT32_MAX)) {
                    throw new GraphException(
                            name + " value must be in the range [0, " + UINT32_MAX + "]");
                }
                values.put(name, value);
            }
        }
        return new ThrottleValues(values);
    }

    /**
     * All of them together.
     *
     * @throws GraphException where they contradict each other, in QEMU's words
     */
    ThrottleLimits limits() {
        requireNotBoth("");
        requireNotBoth(MAX);
        if (get(OPERATION_LENGTH) > 0
                && get("iops-total") == 0
                && get("iops-read") == 0
                && get("iops-write") == 0) {
            throw new GraphException("iops size requires an iops value to be set");
        }
        return new ThrottleLimits(
                rate("bps-total"),
                rate("bps-read"),
                rate("bps-write"),
                rate("iops-total"),
                rate("iops-read"),
                rate("iops-write"),
                get(OPERATION_LENGTH));
    }

    private void requireNotBoth(final String kind) {
        for (final String unit : UNITS) {
            if (get(unit + "-total" + kind) > 0
                    && (get(unit + "-read" + kind) > 0 || get(unit + "-write" + kind) > 0)) {
                throw new GraphException(
                        "bps/iops/max total values and read/write values cannot be used at the"
                                + " same time; set "
                                + unit
                                + "-total"
                                + kind
                                + " to 0, or the others");
            }
        }
    }

    private ThrottleRate rate(final String name) {
        final long average = get(name);
        final long max = get(name + MAX);
        final long length = get(name + LENGTH);
        final String refusal;
        if (average < 0 || average > VALUE_MAX || max < 0 || max > VALUE_MAX) {
            refusal = "bps/iops/max values must be within [0, " + VALUE_MAX + "]";
        } else if (length == 0) {
            refusal = "the burst length cannot be 0";
        } else if (length > 1 && max == 0) {
            refusal = "burst length set without burst rate";
        } else if (max > 0 && length > VALUE_MAX / max) {
            refusal = "burst length too high for this burst rate";
        } else if (max > 0 && average == 0) {
            refusal = "bps_max/iops_max require corresponding bps/iops values";
        } else if (max > 0 && max < average) {
            refusal = "bps_max/iops_max cannot be lower than bps/iops";
        } else {
            return new ThrottleRate(average, max, length);
        }
        throw new GraphException(refusal + " (" + name + ")");
    }

    /** As QEMU tells of them. */
    JsonObject report() {
        final JsonObject report = new JsonObject();
        byName.forEach(report::addProperty);
        return report;
    }
}
