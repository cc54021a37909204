package io.lockstep.bench.peer;

import com.google.gson.JsonObject;

import io.lockstep.cli.control.HistogramText;

import org.HdrHistogram.Histogram;

import java.io.IOException;

/**
 * One of the histograms that an engine keeps of its own, read over its control socket: what was
 * added since the last look. Used by one thread.
 */
public final class EngineHistograms {
    private final ControlSocket control;
    private final String name;
    private Histogram seen;

    /** Begins with what comes from now on. */
    public EngineHistograms(final ControlSocket control, final String name) throws IOException {
        this.control = control;
        this.name = name;
        seen = read();
    }

    private Histogram read() throws IOException {
        final JsonObject report = control.execute("x-lockstep-histograms").getAsJsonObject();
        return HistogramText.decode(report.get(name).getAsString());
    }

    /** All durations since the call before, in nanoseconds. */
    public Histogram interval() throws IOException {
        final Histogram now = read();
        final Histogram interval = now.copy();
        interval.subtract(seen);
        seen = now;
        return interval;
    }
}
