package io.lockstep.cli.argument;

import io.lockstep.engine.loop.Endpoint;

import java.io.IOException;
import java.net.Inet4Address;
import java.net.InetAddress;
import java.net.NetworkInterface;
import java.net.SocketException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collections;
import java.util.List;
import java.util.Optional;

/**
 * Whether an endpoint that is connected to is one on which the same host listens, as far as that
 * can be seen without asking anybody: names are not looked up but for those of this host, since a
 * host that starts may have nobody to ask yet. Stateless.
 */
public final class OwnEndpoint {
    private static final Path HOST_NAME = Path.of("/proc/sys/kernel/hostname");
    private static final String LOCAL_NAME = "localhost";
    private static final InetAddress LOOPBACK = InetAddress.ofLiteral("127.0.0.1");
    private static final InetAddress LOOPBACK_6 = InetAddress.ofLiteral("::1");

    private OwnEndpoint() {}

    /** The one of those that are listened on which is connected to; empty where none is seen to. */
    public static Optional<Endpoint> find(final Endpoint peer, final List<Endpoint> listen) {
        return listen.stream().filter(own -> isOne(own, peer)).findFirst();
    }

    /** Whether two are one, and nobody could listen on the second; a free port is never one. */
    static boolean areOne(final Endpoint one, final Endpoint other) {
        final boolean isFree = one instanceof Endpoint.Tcp(String host, int port) && port == 0;
        final Endpoint first = listenedOn(one);
        final Endpoint second = listenedOn(other);
        return !isFree && (isOne(first, second) || isOne(second, first));
    }

    /** Whoever connects tries all addresses of a name; who listens has one, of IPv4 first. */
    private static Endpoint listenedOn(final Endpoint endpoint) {
        return endpoint instanceof Endpoint.Tcp(String host, int port)
                        && host.equalsIgnoreCase(LOCAL_NAME)
                ? new Endpoint.Tcp(LOOPBACK.getHostAddress(), port)
                : endpoint;
    }

    private static boolean isOne(final Endpoint own, final Endpoint peer) {
        if (own instanceof Endpoint.Unix(Path one) && peer instanceof Endpoint.Unix(Path other)) {
            return real(one).equals(real(other));
        }
        return own instanceof Endpoint.Tcp(String ownHost, int ownPort)
                && peer instanceof Endpoint.Tcp(String peerHost, int peerPort)
                && ownPort == peerPort
                && isOneHost(ownHost, peerHost);
    }

    /** A socket that is not there yet is known by the directory that it will be in. */
    private static Path real(final Path socket) {
        final Path absolute = socket.toAbsolutePath().normalize();
        try {
            return absolute.getParent().toRealPath().resolve(absolute.getFileName());
        } catch (final IOException e) {
            return absolute; // it can't be listened on either
        }
    }

    private static boolean isOneHost(final String own, final String peer) {
        if (own.equalsIgnoreCase(peer)) {
            return true;
        }
        final Optional<InetAddress> ownAddress = literal(own);
        final boolean isEvery =
                own.isEmpty() || ownAddress.filter(InetAddress::isAnyLocalAddress).isPresent();
        final Optional<InetAddress> peerAddress = literal(peer);
        if (isEvery) {
            return peerAddress.isPresent()
                    ? isOfThisHost(peerAddress.get()) && isOfFamily(own, peerAddress.get())
                    : isNameOfThisHost(peer);
        }
        return !Collections.disjoint(known(own), known(peer));
    }

    /** The addresses that a host is known to be without asking for its name. */
    private static List<InetAddress> known(final String host) {
        if (host.equalsIgnoreCase(LOCAL_NAME)) {
            return List.of(LOOPBACK, LOOPBACK_6);
        }
        return literal(host)
                .map(address -> address.isAnyLocalAddress() ? loopback(address) : address)
                .map(List::of)
                .orElse(List.of());
    }

    /** To what Linux connects where no address is meant. */
    private static InetAddress loopback(final InetAddress none) {
        return none instanceof Inet4Address ? LOOPBACK : LOOPBACK_6;
    }

    /** All addresses of IPv4 are none of IPv6; the other way round they are. */
    private static boolean isOfFamily(final String every, final InetAddress address) {
        return !every.equals("0.0.0.0") || address instanceof Inet4Address;
    }

    private static Optional<InetAddress> literal(final String host) {
        try {
            return Optional.of(InetAddress.ofLiteral(host));
        } catch (final IllegalArgumentException isName) {
            return Optional.empty();
        }
    }

    private static boolean isOfThisHost(final InetAddress address) {
        try {
            return address.isAnyLocalAddress() // Linux takes it for this host
                    || address.isLoopbackAddress()
                    || NetworkInterface.getByInetAddress(address) != null;
        } catch (final SocketException e) {
            return false;
        }
    }

    private static boolean isNameOfThisHost(final String name) {
        try {
            return name.equalsIgnoreCase(LOCAL_NAME)
                    || name.equalsIgnoreCase(Files.readString(HOST_NAME).strip());
        } catch (final IOException e) {
            return false;
        }
    }
}
