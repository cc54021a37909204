package io.lockstep.cli.graph;

/**
 * Reads the options that are of any node: who may change it, and by way of which cache. Those that
 * ask for less than is done here are taken and mean nothing; those that ask for something else are
 * refused. Stateless. Source: QEMU's {@code qapi/block-core.json} ({@code BlockdevOptions}), {@code
 * -drive} in its manual page, and what 7.2 was seen to answer.
 */
final class AccessReader {
    private final NodeOptions options;

    /** Whether it is a drive, which has a cache that writes back or through, and old names. */
    private final boolean isDrive;

    AccessReader(final NodeOptions options, final boolean isDrive) {
        this.options = options;
        this.isDrive = isDrive;
    }

    /**
     * Takes them.
     *
     * @param isReadOnly what holds where nothing is said
     * @throws GraphException where what they ask for can't be had
     */
    Access read(final boolean isReadOnly) {
        final boolean ignoresDiscards = ignoresDiscards();
        takeDetectZeroes(ignoresDiscards);
        final boolean isWrittenThrough = isWrittenThrough();
        return new Access(isReadOnly(isReadOnly), ignoresDiscards, isWrittenThrough);
    }

    private boolean isReadOnly(final boolean otherwise) {
        if (isDrive && options.has("readonly")) {
            if (options.has("read-only")) {
                throw new GraphException("'readonly' and 'read-only' are the same; say one");
            }
            return options.bool("readonly", otherwise);
        }
        return options.bool("read-only", otherwise);
    }

    /** How a file is accessed; it is always by the calls that suit this engine. */
    static void takeAio(final NodeOptions options) {
        options.choice("aio", "threads", "threads", "native", "io_uring");
    }

    private boolean ignoresDiscards() {
        return switch (options.choice("discard", "unmap", "ignore", "off", "unmap", "on")) {
            case "ignore", "off" -> true;
            default -> false;
        };
    }

    /** Nobody looks for zeroes: what the guest reads back is the same, at the price of room. */
    private void takeDetectZeroes(final boolean ignoresDiscards) {
        final String mode = options.choice("detect-zeroes", "off", "off", "on", "unmap");
        if (mode.equals("unmap") && ignoresDiscards) {
            throw new GraphException(
                    "Parameter '"
                            + options.pathOf("detect-zeroes")
                            + "': 'unmap' contradicts discards that are ignored; say 'on', or"
                            + " discard=unmap");
        }
    }

    /**
     * Reads what is said of the cache. All goes by the host's page cache, and a flush is one to
     * stable storage: it makes {@code direct} no less safe, and {@code no-flush} safer.
     */
    private boolean isWrittenThrough() {
        if (isDrive && options.hasString("cache")) {
            return switch (options.choice(
                    "cache",
                    "writeback",
                    "none",
                    "writeback",
                    "unsafe",
                    "writethrough",
                    "directsync")) {
                case "writethrough", "directsync" -> true;
                default -> false;
            };
        }
        if (!options.has("cache")) {
            return false;
        }
        final NodeOptions cache = options.object("cache");
        cache.bool("direct", false);
        cache.bool("no-flush", false);
        final boolean isWrittenBack = !isDrive || cache.bool("writeback", true);
        cache.end("the cache", isDrive ? "direct, no-flush and writeback" : "direct and no-flush");
        return !isWrittenBack;
    }
}
