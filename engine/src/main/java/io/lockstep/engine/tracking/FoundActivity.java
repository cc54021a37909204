package io.lockstep.engine.tracking;

import io.lockstep.engine.tracking.ActivityRecord.Knowledge;

import java.io.IOException;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * The activity log as a killed process or the loss of power left it.
 *
 * @param record of the two copies that with the higher number; empty where none is whole, or it is
 *     of other disks
 * @param copy which one that is
 */
record FoundActivity(Optional<ActivityRecord> record, int copy) {
    /** More than these are not carried on from boot to boot: then nothing is known. */
    private static final int SUSPECTS_MAX = ActivityRecord.REGIONS_MAX - ActivityLimits.HOT_MAX;

    /**
     * Looks for it.
     *
     * @throws IOException where a copy can't be read
     */
    static FoundActivity in(final TrackingStorage storage, final long disks) throws IOException {
        Optional<ActivityRecord> newest = Optional.empty();
        int copy = 0;
        for (int i = 0; i < TrackingStorage.COPIES; i++) {
            final Optional<ActivityRecord> found = storage.read(i).flatMap(ActivityRecord::decode);
            if (found.isPresent()
                    && (newest.isEmpty() || found.get().sequence() > newest.get().sequence())) {
                newest = found;
                copy = i;
            }
        }
        return new FoundActivity(newest.filter(record -> record.disks() == disks), copy);
    }

    /** The copy that is written next. */
    int next() {
        return (copy + 1) % TrackingStorage.COPIES;
    }

    /** Whether anything is known after the loss of power. */
    boolean isKnown() {
        return record.filter(found -> !found.knowledge().peer().isNone())
                .filter(found -> found.hot().size() + found.suspect().size() <= SUSPECTS_MAX)
                .isPresent();
    }

    /** What the newer filling of a disk's map was, or an older one. */
    long filling(final int disk) {
        return record.orElseThrow().fillings().get(disk);
    }

    /**
     * The record with which another boot begins: what was hot is suspect.
     *
     * @param fillings of the maps, which have been recovered and are on stable storage
     */
    ActivityRecord afterLossOfPower(final long disks, final List<Long> fillings) {
        final List<Integer> none = List.of();
        final long sequence = record.map(ActivityRecord::sequence).orElse(0L) + 1;
        if (!isKnown()) {
            return new ActivityRecord(sequence, disks, Knowledge.NONE, fillings, none, none);
        }
        final ActivityRecord found = record.orElseThrow();
        final List<Integer> suspects =
                Stream.concat(found.hot().stream(), found.suspect().stream())
                        .distinct()
                        .sorted()
                        .toList();
        return new ActivityRecord(sequence, disks, found.knowledge(), fillings, none, suspects);
    }
}
