package io.lockstep.engine.server;

import io.lockstep.nbd.Nbd;

/** The commands by name, for messages. */
final class CommandName {
    private CommandName() {}

    static String of(final int command) {
        return switch (command) {
            case Nbd.CMD_READ -> "read";
            case Nbd.CMD_WRITE -> "write";
            case Nbd.CMD_DISC -> "disconnect";
            case Nbd.CMD_FLUSH -> "flush";
            case Nbd.CMD_TRIM -> "trim";
            case Nbd.CMD_CACHE -> "cache";
            case Nbd.CMD_WRITE_ZEROES -> "write-zeroes";
            case Nbd.CMD_BLOCK_STATUS -> "block status";
            default -> "command " + command;
        };
    }
}
