package io.lockstep.cli.control;

import com.google.gson.JsonArray;
import com.google.gson.JsonObject;

import io.lockstep.engine.group.VerificationStatus;

import java.util.Locale;

/** A verification as JSON, in the status of a group. */
final class VerificationReport {
    private VerificationReport() {}

    static JsonObject of(final VerificationStatus status) {
        final JsonObject report = new JsonObject();
        report.addProperty("state", status.state().name().toLowerCase(Locale.ROOT));
        report.addProperty("paused", status.isPaused());
        report.addProperty("compared", status.compared());
        report.addProperty("total", status.total());
        report.addProperty("differing", status.differing());
        report.addProperty("pieces", status.pieces());
        report.addProperty("duration-ns", status.nanos());
        report.addProperty("age-ns", status.ageNanos());
        report.addProperty("ending", status.ending());
        final JsonArray disks = new JsonArray();
        status.disks().forEach(disks::add);
        report.add("disks", disks);
        final JsonArray first = new JsonArray();
        for (final VerificationStatus.Piece piece : status.first()) {
            final JsonObject told = new JsonObject();
            told.addProperty("disk", piece.disk());
            told.addProperty("offset", piece.offset());
            told.addProperty("length", piece.length());
            first.add(told);
        }
        report.add("first", first);
        return report;
    }
}
