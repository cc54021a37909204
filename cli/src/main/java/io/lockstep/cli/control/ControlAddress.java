package io.lockstep.cli.control;

import io.lockstep.engine.loop.Endpoint;

import java.nio.file.Path;

/** Where a control server finds its clients: an immutable value. */
public sealed interface ControlAddress {
    /** A socket that it listens on. */
    record Socket(Endpoint endpoint) implements ControlAddress {
        @Override
        public String toString() {
            return endpoint.toString();
        }
    }

    /** One client, on standard input and output of the process. */
    record Stdio() implements ControlAddress {
        @Override
        public String toString() {
            return "stdio";
        }
    }

    /** A Unix socket. */
    static ControlAddress at(final Path socket) {
        return new Socket(new Endpoint.Unix(socket));
    }
}
