package io.lockstep.bench.compare;

import io.lockstep.bench.peer.ReplicationPair;

/** Whose flushes are compared: one disk by itself, and replicated with each acknowledgement. */
enum FlushPeer {
    UNREPLICATED("unreplicated", Engine.SERVER, ""),
    LOCAL("local", Engine.PAIR, "local"),
    FLUSH("flush", Engine.PAIR, "flush"),
    FLUSH_DURABLE("flush,durable", Engine.PAIR, "flush,durable"),
    WRITE("write", Engine.PAIR, "write"),
    WRITE_DURABLE("write,durable", Engine.PAIR, "write,durable"),
    QEMU("QEMU", Engine.QEMU, "");

    /** What runs. */
    enum Engine {
        /** {@code lockstep serve}. */
        SERVER,
        /** {@code lockstep primary} and {@code lockstep secondary}. */
        PAIR,
        /** QEMU's block replication. */
        QEMU
    }

    private final String title;
    private final Engine engine;
    private final String level;

    FlushPeer(final String title, final Engine engine, final String level) {
        this.title = title;
        this.engine = engine;
        this.level = level;
    }

    /** What tables call it. */
    String title() {
        return title;
    }

    Engine engine() {
        return engine;
    }

    /** What a pair of ours is told by {@code --ack}; empty where it is none. */
    String level() {
        return level;
    }

    /** Says why it is left out, or nothing where it can run. */
    String missing() {
        return engine == Engine.QEMU ? ReplicationPair.Kind.QEMU_UNIX.missing() : "";
    }
}
