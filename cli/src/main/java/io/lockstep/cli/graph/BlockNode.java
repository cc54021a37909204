package io.lockstep.cli.graph;

import io.lockstep.engine.loop.Endpoint;
import io.lockstep.engine.primary.Peer;

import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * What a block node is, as it was asked for: an immutable value. These are all that there are.
 * Whether the nodes fit together is for {@link BlockGraph} to say.
 */
sealed interface BlockNode {
    /** The name of its driver. */
    String driver();

    /** What it stands on, by the names of these places; those that are empty are left out. */
    default Map<String, Child> standsOn() {
        final Map<String, Child> places = new LinkedHashMap<>();
        switch (this) {
            case Raw(Child file, long offset, long size) -> places.put("file", file);
            case Throttle(String group, Child file) -> places.put("file", file);
            case Extents(Child file, Child backing) -> {
                if (backing != null) {
                    places.put("backing", backing);
                }
                places.put("file", file);
            }
            case PrimaryReplication replication -> places.put("file", replication.file());
            case SecondaryReplication replication -> places.put("file", replication.file());
            case Quorum(List<Child> all) -> {
                for (int i = 0; i < all.size(); i++) {
                    places.put("children." + i, all.get(i));
                }
            }
            case FileNode file -> {}
            case BufferFile file -> {}
            case NbdClient client -> {}
        }
        return places;
    }

    /** The protocol node: a regular file or a block device. */
    record FileNode(Path path) implements BlockNode {
        @Override
        public String driver() {
            return "file";
        }
    }

    /** Where a buffer lies: what its files' names begin with, of which none need be there. */
    record BufferFile(Path path) implements BlockNode {
        @Override
        public String driver() {
            return "file";
        }
    }

    /**
     * A disk, as it lies in a file.
     *
     * @param offset where in the file it begins, in bytes
     * @param size its length in bytes; {@link #TO_THE_END} for all that is behind the offset
     */
    record Raw(Child file, long offset, long size) implements BlockNode {
        /** Of a size. */
        static final long TO_THE_END = -1;

        /** All of a file. */
        Raw(final Child file) {
            this(file, 0, TO_THE_END);
        }

        boolean isWhole() {
            return offset == 0 && size == TO_THE_END;
        }

        @Override
        public String driver() {
            return "raw";
        }
    }

    /**
     * Lets no more through than the limits of a group.
     *
     * @param group its id
     */
    record Throttle(String group, Child file) implements BlockNode {
        @Override
        public String driver() {
            return "throttle";
        }
    }

    /**
     * A buffer of a secondary disk, in place of QEMU's qcow2.
     *
     * @param file a {@link BufferFile}
     * @param backing what lies below it; null for nothing
     */
    record Extents(Child file, Child backing) implements BlockNode {
        @Override
        public String driver() {
            return "extents";
        }
    }

    /**
     * An export of another NBD server.
     *
     * @param openSeconds for how long it may be looked for before it is there
     */
    record NbdClient(Endpoint server, String export, long openSeconds) implements BlockNode {
        /** One that is there. */
        NbdClient(final Endpoint server, final String export) {
            this(server, export, 0);
        }

        Peer peer() {
            return new Peer(server, export);
        }

        @Override
        public String driver() {
            return "nbd";
        }
    }

    /**
     * Whether both sides of a replication see one disk.
     *
     * @param id names it; empty where it is not said
     */
    record SharedDisk(boolean isOn, String id) {
        /** They have one each. */
        static final SharedDisk NONE = new SharedDisk(false, "");
    }

    /** Forwards to what an NBD client reaches, or announces to it. */
    record PrimaryReplication(SharedDisk shared, Child file) implements BlockNode {
        /** Of disks that are two. */
        PrimaryReplication(final Child file) {
            this(SharedDisk.NONE, file);
        }

        @Override
        public String driver() {
            return "replication";
        }
    }

    /**
     * Active disk over hidden disk over secondary disk.
     *
     * @param topId the guest's device; empty where it is not said
     */
    record SecondaryReplication(String topId, SharedDisk shared, Child file) implements BlockNode {
        /** Of disks that are two. */
        SecondaryReplication(final String topId, final Child file) {
            this(topId, SharedDisk.NONE, file);
        }

        @Override
        public String driver() {
            return "replication";
        }
    }

    /** Reads from its first child, and writes to all. */
    record Quorum(List<Child> children) implements BlockNode {
        /** Copies the list. */
        public Quorum {
            children = List.copyOf(children);
        }

        @Override
        public String driver() {
            return "quorum";
        }
    }

    /** What a node stands on. */
    sealed interface Child {
        /** A node that is there already. */
        record Named(String name) implements Child {}

        /** A node that is made for this one, and goes with it. */
        record Inline(Definition definition) implements Child {}
    }

    /**
     * A node, and what it is called.
     *
     * @param id as a device; empty for none
     * @param nodeName as a node; empty for none
     */
    record Definition(String id, String nodeName, BlockNode node, Access access) {
        /** One of which nothing more is said. */
        Definition(final String id, final String nodeName, final BlockNode node) {
            this(id, nodeName, node, Access.PLAIN);
        }

        /** By what people know it: the device's name, or the node's. */
        String name() {
            return id.isEmpty() ? nodeName : id;
        }
    }
}
