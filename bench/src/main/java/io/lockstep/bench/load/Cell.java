package io.lockstep.bench.load;

import java.util.ArrayList;
import java.util.List;

/**
 * One kind of load.
 *
 * @param write writes, or else reads; random at 4 KiB, sequential above
 * @param blockLength of each request, in bytes
 * @param depth requests in flight of each connection
 * @param connections how many there are
 */
public record Cell(boolean write, int blockLength, int depth, int connections) {
    /** The kinds that a server is compared in. */
    public static List<Cell> all() {
        final List<Cell> cells = new ArrayList<>();
        for (final int connections : new int[] {1, 4}) {
            for (final boolean write : new boolean[] {true, false}) {
                for (final int depth : new int[] {1, 16, 64}) {
                    cells.add(new Cell(write, 4 << 10, depth, connections));
                }
                cells.add(new Cell(write, 64 << 10, 16, connections));
                cells.add(new Cell(write, 1 << 20, 4, connections));
            }
        }
        return cells;
    }

    boolean isRandom() {
        return blockLength == 4 << 10;
    }

    /** Short, for tables and for {@code --only}. */
    @Override
    public String toString() {
        return (write ? "write " : "read ")
                + lengthName(blockLength)
                + " qd"
                + depth
                + " x"
                + connections;
    }

    /** A length as the tables name it, such as {@code 64k}. */
    public static String lengthName(final int length) {
        return length < 1 << 20 ? length / 1024 + "k" : length / (1 << 20) + "m";
    }
}
