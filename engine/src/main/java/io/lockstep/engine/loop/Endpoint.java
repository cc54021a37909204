package io.lockstep.engine.loop;

import java.nio.file.Path;

/** Where a loop listens or connects to: an immutable value. */
public sealed interface Endpoint {
    /**
     * A TCP port.
     *
     * @param host name or address; empty for every address of this host. {@code 0.0.0.0} is every
     *     address of IPv4, {@code ::} is every one as far as the host has IPv6
     * @param port 1 to 65535, or 0 to listen on a free one
     */
    record Tcp(String host, int port) implements Endpoint {
        @Override
        public String toString() {
            return (host.isEmpty() ? "*" : host.indexOf(':') >= 0 ? "[" + host + "]" : host)
                    + ":"
                    + port;
        }
    }

    /**
     * A Unix socket.
     *
     * @param path of the socket, at most {@link UnixSocketPath#LENGTH_MAX} bytes (the limit of
     *     {@code unix(7)})
     */
    record Unix(Path path) implements Endpoint {
        @Override
        public String toString() {
            return path.toString();
        }
    }
}
