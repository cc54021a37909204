package io.lockstep.cli.graph;

import com.google.gson.JsonArray;
import com.google.gson.JsonObject;

import io.lockstep.engine.loop.Endpoint;
import io.lockstep.engine.server.ExportCounters;

import java.util.Map;

/**
 * Nodes as QEMU's queries tell of them. Stateless. Source: {@code BlockDeviceInfo} and {@code
 * BlockInfo} of QEMU's {@code qapi/block-core.json}, and what 7.2 was seen to answer; optional
 * members that nothing here can tell are left out.
 */
final class NodeReport {
    private static final String[] LIMITS = {
        "bps", "bps_rd", "bps_wr", "iops", "iops_rd", "iops_wr", "write_threshold"
    };

    private NodeReport() {}

    /** A drive. */
    static JsonObject device(final PlacedNode node) {
        final JsonObject device = new JsonObject();
        device.addProperty("device", node.id());
        device.addProperty("type", "unknown");
        device.addProperty("locked", false);
        device.addProperty("removable", true);
        device.add("inserted", node(node, false));
        return device;
    }

    /**
     * A node.
     *
     * @param isFlat without what lies below it
     */
    static JsonObject node(final PlacedNode node, final boolean isFlat) {
        final String filename = filename(node);
        final JsonObject cache = new JsonObject();
        cache.addProperty("writeback", !node.writePolicy(false).isWrittenThrough());
        cache.addProperty("direct", false);
        cache.addProperty("no-flush", false);
        final JsonObject report = new JsonObject();
        report.addProperty("file", filename);
        report.addProperty("node-name", node.nodeName());
        report.addProperty("ro", node.isReadOnly());
        report.addProperty("drv", node.node().driver());
        report.addProperty("backing_file_depth", isFlat ? 0 : depth(node));
        report.addProperty("encrypted", false);
        report.addProperty("detect_zeroes", "off");
        for (final String limit : LIMITS) {
            report.addProperty(limit, 0);
        }
        report.add("image", image(node, isFlat));
        report.add("cache", cache);
        return report;
    }

    /** What was done for those who use it by way of exports; times are not measured. */
    static JsonObject stats(final PlacedNode node, final ExportCounters.Figures figures) {
        final JsonObject stats = new JsonObject();
        add(stats, "rd", figures.reads());
        add(stats, "wr", figures.writes());
        add(stats, "unmap", figures.trims());
        add(stats, "flush", figures.flushes());
        stats.remove("flush_bytes");
        stats.remove("flush_merged");
        stats.addProperty("account_failed", false);
        stats.addProperty("account_invalid", false);
        stats.addProperty("wr_highest_offset", figures.writtenEnd());
        stats.add("timed_stats", new JsonArray());
        final JsonObject report = new JsonObject();
        if (!node.id().isEmpty()) {
            report.addProperty("device", node.id());
        }
        report.addProperty("node-name", node.nodeName());
        report.add("stats", stats);
        return report;
    }

    private static void add(
            final JsonObject stats, final String kind, final ExportCounters.Operations done) {
        stats.addProperty(kind + "_operations", done.count());
        stats.addProperty(kind + "_bytes", done.bytes());
        stats.addProperty(kind + "_merged", 0); // each is done by itself
        stats.addProperty("failed_" + kind + "_operations", done.failed());
    }

    private static JsonObject image(final PlacedNode node, final boolean isFlat) {
        final JsonObject image = new JsonObject();
        image.addProperty("filename", filename(node));
        image.addProperty("format", node.node().driver());
        image.addProperty("virtual-size", length(node));
        final PlacedNode below = below(node);
        if (!isFlat && below != null) {
            image.add("backing-image", image(below, false));
        }
        return image;
    }

    /** A file alone is as long as what stands on it. */
    private static long length(final PlacedNode node) {
        return node.length() == 0 && node.parent() != null ? length(node.parent()) : node.length();
    }

    private static int depth(final PlacedNode node) {
        final PlacedNode below = below(node);
        return below == null ? 0 : 1 + depth(below);
    }

    /** What QEMU counts as lying below a node in its chain: of a replication node its file. */
    private static PlacedNode below(final PlacedNode node) {
        return switch (node.node()) {
            case BlockNode.PrimaryReplication primary -> node.child("file");
            case BlockNode.SecondaryReplication secondary -> node.child("file");
            case BlockNode.Extents extents -> node.child("backing");
            case BlockNode.Throttle throttle -> node.child("file");
            default -> null;
        };
    }

    private static String filename(final PlacedNode node) {
        return switch (node.node()) {
            case BlockNode.FileNode(var path) -> path.toString();
            case BlockNode.BufferFile(var path) -> path.toString();
            case BlockNode.Raw raw when raw.isWhole() -> filename(node.child("file"));
            case BlockNode.NbdClient client -> uri(client);
            default -> "json:" + options(node);
        };
    }

    private static String uri(final BlockNode.NbdClient client) {
        return client.server() instanceof Endpoint.Tcp
                ? "nbd://" + client.server() + "/" + client.export()
                : "nbd+unix:///" + client.export() + "?socket=" + client.server();
    }

    private static JsonObject options(final PlacedNode node) {
        final JsonObject options = new JsonObject();
        options.addProperty("driver", node.node().driver());
        switch (node.node()) {
            case BlockNode.FileNode(var path) -> options.addProperty("filename", path.toString());
            case BlockNode.BufferFile(var path) -> options.addProperty("filename", path.toString());
            case BlockNode.NbdClient client -> {
                options.addProperty("server", client.server().toString());
                options.addProperty("export", client.export());
            }
            case BlockNode.PrimaryReplication primary -> options.addProperty("mode", "primary");
            case BlockNode.SecondaryReplication(String topId, var shared, var file) -> {
                options.addProperty("mode", "secondary");
                if (!topId.isEmpty()) {
                    options.addProperty("top-id", topId);
                }
            }
            case BlockNode.Quorum quorum -> {
                options.addProperty("read-pattern", "fifo");
                options.addProperty("vote-threshold", 1);
                final JsonArray children = new JsonArray();
                node.children().values().forEach(child -> children.add(options(child)));
                options.add("children", children);
                return options;
            }
            case BlockNode.Raw(var file, long offset, long size) -> {
                if (offset > 0) {
                    options.addProperty("offset", offset);
                }
                if (size != BlockNode.Raw.TO_THE_END) {
                    options.addProperty("size", size);
                }
            }
            case BlockNode.Throttle(String group, var file) ->
                    options.addProperty("throttle-group", group);
            case BlockNode.Extents extents -> {}
        }
        for (final Map.Entry<String, PlacedNode> child : node.children().entrySet()) {
            options.add(child.getKey(), options(child.getValue()));
        }
        return options;
    }
}
