package io.lockstep.cli.control;

import io.lockstep.cli.graph.BlockGraph;
import io.lockstep.cli.graph.GraphException;

import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;

/**
 * The commands of QEMU's human monitor that COLO's users type: {@code drive_add} and {@code
 * drive_del}, and what they look at, {@code info block} and {@code info status}. As there, what
 * goes wrong is told in the text of an answer that is no error. On the graph's thread. Source:
 * QEMU's {@code hmp-commands.hx}, and what 7.2 was seen to answer.
 */
final class HumanCommands {
    private static final String END = "\r\n";
    private static final String KNOWN =
            "; there are drive_add, drive_del, info block and info status";

    private final BlockGraph graph;
    private final Executor thread;

    HumanCommands(final BlockGraph graph, final Executor thread) {
        this.graph = graph;
        this.thread = thread;
    }

    /** Executes a line; answers what the monitor would print. */
    CompletableFuture<String> execute(final String line) {
        final String[] words = line.strip().split("\\s+", 2);
        final String rest = words.length < 2 ? "" : words[1];
        try {
            return switch (words[0]) {
                case "drive_add" -> addDrive(rest);
                case "drive_del" -> CompletableFuture.completedFuture(removeDrive(rest));
                case "info" -> CompletableFuture.completedFuture(info(rest.strip()));
                case "" -> CompletableFuture.completedFuture("");
                default ->
                        CompletableFuture.completedFuture(
                                "unknown command: '" + words[0] + "'" + KNOWN + END);
            };
        } catch (final GraphException e) {
            return CompletableFuture.completedFuture(e.getMessage() + END);
        }
    }

    /** {@code drive_add [-n] [[<domain>:]<bus>:]<slot> OPTIONS}: the slot means nothing here. */
    private CompletableFuture<String> addDrive(final String text) {
        final boolean isNode = text.startsWith("-n ");
        final String[] words = (isNode ? text.substring(3) : text).strip().split("\\s+", 2);
        if (words.length < 2) {
            return CompletableFuture.completedFuture(
                    "drive_add: string expected"
                            + END
                            + "drive_add [-n] buddy driver=...,node-name=..."
                            + END);
        }
        return graph.addDrive(words[1], isNode, thread)
                .handle(
                        (added, thrown) -> {
                            if (thrown == null) {
                                return isNode ? "" : "OK" + END;
                            }
                            return GraphException.sentenceOf(thrown) + END;
                        });
    }

    /** {@code info block [-n] [-v] [device]}, {@code info status}. */
    private String info(final String text) {
        final List<String> words = List.of(text.split("\\s+"));
        final List<String> arguments = words.subList(1, words.size());
        return switch (words.getFirst()) {
            case "status" ->
                    arguments.isEmpty()
                            ? "VM status: "
                                    + (graph.areGuestsStopped() ? "paused" : "running")
                                    + END
                            : tooMany("status");
            case "block" -> infoBlock(arguments);
            default -> "unknown command: 'info " + words.getFirst() + "'" + KNOWN + END;
        };
    }

    private static String tooMany(final String command) {
        return command + ": extraneous characters at the end of line" + END;
    }

    private String infoBlock(final List<String> arguments) {
        int at = 0;
        boolean areNodes = false;
        boolean isVerbose = false;
        while (at < arguments.size() && arguments.get(at).startsWith("-")) {
            switch (arguments.get(at)) {
                case "-n" -> areNodes = true;
                case "-v" -> isVerbose = true;
                default -> {
                    return "block: unsupported option " + arguments.get(at) + END;
                }
            }
            at++;
        }
        if (arguments.size() - at > 1) {
            return tooMany("block");
        }
        final String only = at < arguments.size() ? arguments.get(at) : "";
        return areNodes
                ? HumanBlockInfo.ofNodes(graph.reportNodes(false), only, isVerbose)
                : HumanBlockInfo.ofDevices(graph.reportDevices(), only, isVerbose);
    }

    private String removeDrive(final String name) {
        if (name.isEmpty()) {
            return "drive_del: block device name expected" + END + "drive_del NAME" + END;
        }
        graph.removeDrive(name.strip());
        return "";
    }
}
