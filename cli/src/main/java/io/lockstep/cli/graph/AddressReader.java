package io.lockstep.cli.graph;

import com.google.gson.JsonObject;

import io.lockstep.engine.loop.Endpoint;

import java.net.Inet4Address;
import java.net.Inet6Address;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.Pattern;
import java.util.stream.IntStream;

/**
 * Reads addresses as QEMU's users write them. A name of which one family alone is wanted is looked
 * up here, which may take as long as the resolver. Stateless. Source: QEMU's {@code
 * qapi/sockets.json}, and what 7.2 was seen to answer.
 */
public final class AddressReader {
    private static final int PORT_MAX = 65535;
    private static final String PORT_DEFAULT = "10809";
    private static final String KNOWN = "host, port, ipv4, ipv6, to, numeric and keep-alive";

    private static final String EVERY_IPV4 = "0.0.0.0";

    /** With it comes IPv4, unless that is refused. */
    private static final String EVERY_IPV6 = "::";

    private static final Pattern NUMERIC = Pattern.compile("[0-9.]+|.*:.*");

    private AddressReader() {}

    /** Which addresses a host may be reached by. */
    private enum Family {
        ANY,
        IPV4,
        IPV6
    }

    /**
     * Where to listen: {@code SocketAddressLegacy}.
     *
     * @param address called {@code addr} by whoever asks
     * @return the endpoints to try, one after the other until one can be had
     * @throws GraphException where it is none that can be had
     */
    public static List<Endpoint> listen(final JsonObject address) {
        final NodeOptions options = new NodeOptions(address, "addr", false);
        final String type = type(options, "type");
        final NodeOptions data = options.object("data");
        options.end("an address", "type and data");
        return type.equals("unix") ? List.of(unix(data)) : tcp(data, true);
    }

    /** Where to connect: {@code SocketAddress}. */
    static Endpoint connect(final NodeOptions options) {
        return type(options, options.pathOf("type")).equals("unix")
                ? unix(options)
                : tcp(options, false).getFirst();
    }

    /** The same as drives wrote it before there was a {@code SocketAddress}. */
    static Endpoint connectFlat(final NodeOptions options) {
        if (options.has("host") && options.has("path")) {
            throw new GraphException("path and host may not be used at the same time");
        }
        return options.has("host")
                ? new Endpoint.Tcp(
                        options.string("host"), port(options.string("port", PORT_DEFAULT), options))
                : new Endpoint.Unix(path(options));
    }

    private static String type(final NodeOptions options, final String shownName) {
        final String type = options.string("type");
        final String reason =
                switch (type) {
                    case "inet", "unix" -> "";
                    case "vsock" ->
                            "; this platform's sockets know no vsock: there are inet and unix";
                    case "fd" ->
                            "; no file descriptors can be handed over here: there are inet and"
                                    + " unix";
                    default -> "; there are inet and unix";
                };
        if (!reason.isEmpty()) {
            throw new GraphException(
                    "Parameter '"
                            + shownName
                            + "' does not accept value '"
                            + Identifier.shown(type)
                            + "'"
                            + reason);
        }
        return type;
    }

    // ---- Unix sockets.

    private static Endpoint unix(final NodeOptions options) {
        final Path path = path(options);
        final boolean isAbstract = options.bool("abstract", false);
        options.bool("tight", true); // of abstract ones
        options.end("an address of that type", "path, abstract and tight");
        if (isAbstract) {
            throw new GraphException(
                    "Parameter '"
                            + options.pathOf("abstract")
                            + "': there are no abstract sockets here; name a path");
        }
        return new Endpoint.Unix(path);
    }

    private static Path path(final NodeOptions options) {
        final String text = options.string("path");
        if (text.isEmpty()) {
            throw new GraphException("Parameter '" + options.pathOf("path") + "' is empty");
        }
        return PathText.read(text, "Parameter '" + options.pathOf("path") + "' is no path");
    }

    // ---- TCP.

    private static List<Endpoint> tcp(final NodeOptions options, final boolean isListening) {
        final String name = options.string("host");
        final int port = port(options.string("port"), options);
        final int last = (int) options.integer("to", port, port, PORT_MAX);
        final Family family = family(options);
        final boolean isNumeric = options.bool("numeric", false);
        options.bool("keep-alive", false); // a dead peer is found by the engine itself
        options.end("an address of that type", KNOWN);
        if (isNumeric && !name.isEmpty() && !NUMERIC.matcher(name).matches()) {
            throw unresolved(name, port, "it is a name, and numeric was asked for");
        }
        final String host = hostOf(name, port, family, isListening);
        return IntStream.rangeClosed(port, isListening ? last : port)
                .mapToObj(candidate -> (Endpoint) new Endpoint.Tcp(host, candidate))
                .toList();
    }

    /** One of them alone where the other is off, or is not spoken of. */
    private static Family family(final NodeOptions options) {
        final boolean saysIpv4 = options.has("ipv4");
        final boolean saysIpv6 = options.has("ipv6");
        final boolean wantsIpv4 = options.bool("ipv4", false);
        final boolean wantsIpv6 = options.bool("ipv6", false);
        if (saysIpv4 && saysIpv6 && !wantsIpv4 && !wantsIpv6) {
            throw new GraphException("Cannot disable IPv4 and IPv6 at same time");
        }
        if (wantsIpv4 == wantsIpv6 && saysIpv4 == saysIpv6) {
            return Family.ANY;
        }
        return wantsIpv4 || saysIpv6 && !wantsIpv6 ? Family.IPV4 : Family.IPV6;
    }

    private static String hostOf(
            final String name, final int port, final Family family, final boolean isListening) {
        if (family == Family.ANY) {
            return isListening && name.equals(EVERY_IPV6) ? "" : name;
        }
        if (isListening && (name.isEmpty() || name.equals(EVERY_IPV6))) {
            if (family == Family.IPV4) {
                return EVERY_IPV4;
            }
            throw new GraphException(
                    "without IPv4 no host can't stand for every address here; name an address of"
                            + " IPv6");
        }
        try {
            for (final InetAddress address : InetAddress.getAllByName(name)) {
                if (family == Family.IPV4
                        ? address instanceof Inet4Address
                        : address instanceof Inet6Address) {
                    return address.getHostAddress();
                }
            }
        } catch (final UnknownHostException e) {
            throw unresolved(name, port, "unknown host");
        }
        throw unresolved(
                name, port, "it has no address of " + (family == Family.IPV4 ? "IPv4" : "IPv6"));
    }

    private static GraphException unresolved(
            final String host, final int port, final String reason) {
        return new GraphException(
                "address resolution failed for " + host + ":" + port + ": " + reason);
    }

    private static int port(final String text, final NodeOptions options) {
        try {
            final int port = Integer.parseInt(text);
            if (port >= 0 && port <= PORT_MAX) {
                return port;
            }
        } catch (final NumberFormatException e) {
            // told below
        }
        throw new GraphException(
                "Parameter '"
                        + options.pathOf("port")
                        + "' is no port number: '"
                        + Identifier.shown(text)
                        + "'");
    }
}
