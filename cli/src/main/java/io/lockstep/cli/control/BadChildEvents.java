package io.lockstep.cli.control;

import com.google.gson.JsonObject;

import io.lockstep.cli.graph.BadChildListener;
import io.lockstep.engine.server.ExportCounters;

import java.util.HashMap;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/**
 * Tells managers of children of quorums that have failed: of each node the first failure at once,
 * and of those that follow the last one of each second, however many there are. Hears of them on
 * any thread, and tells on the server's loop. Source: QEMU's {@code QUORUM_REPORT_BAD}, as 7.2 was
 * seen to tell.
 */
final class BadChildEvents implements BadChildListener {
    private static final String NAME = "QUORUM_REPORT_BAD";
    private static final int SECTOR_LENGTH = 512;
    private static final long INTERVAL_NANOS = TimeUnit.SECONDS.toNanos(1);

    private final QmpServer server;

    /** By node, of which something was told of late: what is to be told next; null for nothing. */
    private final Map<String, JsonObject> waiting = new HashMap<>();

    BadChildEvents(final QmpServer server) {
        this.server = server;
    }

    @Override
    public void onBadChild(
            final String nodeName,
            final ExportCounters.Kind kind,
            final long offset,
            final long length,
            final String reason) {
        final long first = offset / SECTOR_LENGTH;
        final long end = (offset + length + SECTOR_LENGTH - 1) / SECTOR_LENGTH;
        final JsonObject data = new JsonObject();
        data.addProperty("type", kind.name().toLowerCase(Locale.ROOT));
        data.addProperty("error", reason);
        data.addProperty("node-name", nodeName);
        data.addProperty("sector-num", first);
        data.addProperty("sectors-count", end - first);
        server.loop().execute(() -> tell(nodeName, data));
    }

    private void tell(final String nodeName, final JsonObject data) {
        if (waiting.containsKey(nodeName)) {
            waiting.put(nodeName, data);
        } else {
            send(nodeName, data);
        }
    }

    private void send(final String nodeName, final JsonObject data) {
        waiting.put(nodeName, null);
        server.sendEvent(NAME, data);
        server.loop().schedule(INTERVAL_NANOS, () -> onInterval(nodeName));
    }

    private void onInterval(final String nodeName) {
        final JsonObject last = waiting.remove(nodeName);
        if (last != null) {
            send(nodeName, last);
        }
    }
}
