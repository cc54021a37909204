package io.lockstep.engine.loop;

import java.io.IOException;
import java.net.Inet6Address;
import java.net.InetAddress;
import java.net.StandardProtocolFamily;
import java.nio.channels.SocketChannel;

/** Which addresses this host can use at all. Stateless, from any thread. */
public final class AddressFamilies {
    private AddressFamilies() {}

    /**
     * Opens a channel of the family of an address. The host has it or not for as long as the
     * process lives.
     *
     * @throws IOException saying which family it lacks
     */
    public static SocketChannel open(final InetAddress address) throws IOException {
        try {
            return SocketChannel.open(of(address));
        } catch (final UnsupportedOperationException e) {
            throw new IOException(
                    "this host has no "
                            + (address instanceof Inet6Address ? "IPv6" : "IPv4")
                            + "; choose another address",
                    e);
        }
    }

    /** The family of an address. */
    static StandardProtocolFamily of(final InetAddress address) {
        return address instanceof Inet6Address
                ? StandardProtocolFamily.INET6
                : StandardProtocolFamily.INET;
    }

    /** Sees to it that the host has the family of an address; fails as {@link #open} does. */
    static void require(final InetAddress address) throws IOException {
        open(address).close();
    }

    /**
     * The same for an endpoint, where it says so by itself: a name may come to mean another
     * address.
     *
     * @throws IOException with a sentence that names the endpoint
     */
    public static void requireFor(final Endpoint endpoint) throws IOException {
        if (endpoint instanceof Endpoint.Tcp(String host, int _)) {
            final InetAddress literal;
            try {
                literal = InetAddress.ofLiteral(host);
            } catch (final IllegalArgumentException isName) {
                return;
            }
            try {
                require(literal);
            } catch (final IOException e) {
                throw new IOException("cannot use " + endpoint + ": " + e.getMessage(), e);
            }
        }
    }
}
