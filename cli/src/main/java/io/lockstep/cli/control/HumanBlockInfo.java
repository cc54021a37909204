package io.lockstep.cli.control;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;

import java.math.BigDecimal;
import java.math.MathContext;
import java.math.RoundingMode;
import java.util.ArrayList;
import java.util.List;

/**
 * What {@code info block} prints of what {@code query-block} and {@code query-named-block-nodes}
 * answer. Stateless. Source: what QEMU 7.2 was seen to print.
 */
final class HumanBlockInfo {
    private static final String END = "\r\n";
    private static final String[] UNITS = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    private static final int UNIT = 1024;

    /** From here on the next unit is used. */
    private static final BigDecimal UNIT_FROM = BigDecimal.valueOf(1000);

    private static final MathContext THREE_DIGITS = new MathContext(3, RoundingMode.HALF_EVEN);

    private HumanBlockInfo() {}

    /**
     * Prints devices.
     *
     * @param only of that name; empty for all
     * @param isVerbose with the images below
     */
    static String ofDevices(final JsonArray devices, final String only, final boolean isVerbose) {
        final List<String> texts = new ArrayList<>();
        for (final JsonElement element : devices) {
            final JsonObject device = element.getAsJsonObject();
            final String name = text(device, "device");
            if (only.isEmpty() || only.equals(name)) {
                final JsonObject node = device.getAsJsonObject("inserted");
                texts.add(
                        name
                                + " ("
                                + text(node, "node-name")
                                + ")"
                                + of(node)
                                + "    Removable device: not locked, tray closed"
                                + END
                                + cache(node)
                                + (isVerbose ? images(node) : ""));
            }
        }
        return String.join(END, texts);
    }

    /** Prints nodes. */
    static String ofNodes(final JsonArray nodes, final String only, final boolean isVerbose) {
        final List<String> texts = new ArrayList<>();
        for (final JsonElement element : nodes) {
            final JsonObject node = element.getAsJsonObject();
            final String name = text(node, "node-name");
            if (only.isEmpty() || only.equals(name)) {
                texts.add(name + of(node) + cache(node) + (isVerbose ? images(node) : ""));
            }
        }
        return String.join(END, texts);
    }

    private static String text(final JsonObject object, final String name) {
        return object.get(name).getAsString();
    }

    private static String of(final JsonObject node) {
        return ": "
                + text(node, "file")
                + " ("
                + text(node, "drv")
                + (node.get("ro").getAsBoolean() ? ", read-only" : "")
                + ")"
                + END;
    }

    private static String cache(final JsonObject node) {
        final boolean isWrittenBack = node.getAsJsonObject("cache").get("writeback").getAsBoolean();
        return "    Cache mode:       " + (isWrittenBack ? "writeback" : "writethrough") + END;
    }

    private static String images(final JsonObject node) {
        final StringBuilder text = new StringBuilder(END + "Images:" + END);
        JsonObject image = node.getAsJsonObject("image");
        while (image != null) {
            final long size = image.get("virtual-size").getAsLong();
            text.append("image: ").append(text(image, "filename")).append(END);
            text.append("file format: ").append(text(image, "format")).append(END);
            text.append("virtual size: ").append(size(size));
            text.append(" (").append(size).append(" bytes)").append(END);
            text.append("disk size: unavailable").append(END);
            image = image.getAsJsonObject("backing-image");
        }
        return text.toString();
    }

    /** Three digits, and the unit in which they are below 1000. */
    static String size(final long bytes) {
        BigDecimal size = BigDecimal.valueOf(bytes);
        int unit = 0;
        while (size.compareTo(UNIT_FROM) >= 0) {
            size = size.divide(BigDecimal.valueOf(UNIT));
            unit++;
        }
        return size.round(THREE_DIGITS).stripTrailingZeros().toPlainString() + " " + UNITS[unit];
    }
}
