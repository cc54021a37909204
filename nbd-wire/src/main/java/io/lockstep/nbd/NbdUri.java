package io.lockstep.nbd;

import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Locale;

/**
 * Where an NBD server is and which of its exports is meant, in the form that all NBD clients share:
 * an immutable value.
 *
 * <p>Source: the NetworkBlockDevice project's {@code doc/uri.md}, and RFC 3986. Not taken: user
 * names and {@code tls-} parameters, which serve only TLS; sockets in the abstract namespace.
 *
 * @param tls whether the connection must be encrypted ({@code nbds}, {@code nbds+unix})
 * @param host name or address for TCP, an IPv6 address without brackets; empty for a listener on
 *     all addresses; null for a Unix socket
 * @param port for TCP; 0 where a free one is wanted; -1 for a Unix socket
 * @param socket path of a Unix socket; null for TCP
 * @param exportName the export, empty for the default one
 */
public record NbdUri(boolean tls, String host, int port, String socket, String exportName) {
    private static final String EXAMPLES =
            "; write nbd://localhost:10809/disk or nbd+unix:///disk?socket=/run/lockstep.sock";

    private static final List<String> SCHEMES = List.of("nbd", "nbds", "nbd+unix", "nbds+unix");
    private static final int PORT_MAX = 65535;

    /**
     * Checks what can't be written as a URI.
     *
     * @throws IllegalArgumentException saying what is wrong
     */
    public NbdUri {
        require((host == null) != (socket == null), "either a host or a socket path is needed");
        require(socket == null || !socket.isEmpty(), "the socket path is empty");
        require(
                socket == null ? port >= 0 && port <= PORT_MAX : port == -1,
                "port " + port + " is not within 0 to " + PORT_MAX);
        require(exportName.indexOf('\0') < 0, "the export name contains NUL");
        require(
                exportName.getBytes(StandardCharsets.UTF_8).length <= Nbd.STRING_LENGTH_MAX,
                "the export name is longer than " + Nbd.STRING_LENGTH_MAX + " bytes");
        require(
                socket == null || socket.indexOf('\0') < 0,
                "the socket path contains NUL; sockets in the abstract namespace are not"
                        + " supported");
    }

    /**
     * Reads a URI.
     *
     * @throws IllegalArgumentException saying what is wrong, with an example of a right one
     */
    public static NbdUri parse(final String text) {
        try {
            requireUriCharacters(text);
            final int schemeEnd = text.indexOf(':');
            require(schemeEnd > 0, "it does not begin with nbd:// or nbd+unix://");
            final String scheme = text.substring(0, schemeEnd).toLowerCase(Locale.ROOT);
            require(SCHEMES.contains(scheme), "scheme " + scheme + " is not known");
            require(
                    text.startsWith("//", schemeEnd + 1),
                    "two slashes must follow " + scheme + ":");
            final String rest = text.substring(schemeEnd + 3);
            final boolean tls = scheme.startsWith("nbds");
            return scheme.endsWith("+unix") ? unix(rest, tls) : tcp(rest, tls);
        } catch (final IllegalArgumentException e) {
            throw new IllegalArgumentException(
                    "bad NBD URI " + text + ": " + e.getMessage() + EXAMPLES, e);
        }
    }

    private static NbdUri tcp(final String rest, final boolean tls) {
        final int query = rest.indexOf('?');
        final String address = query < 0 ? rest : rest.substring(0, query);
        if (query >= 0) {
            parameters(rest.substring(query + 1), tls, false);
        }
        final int path = address.indexOf('/');
        final String authority = path < 0 ? address : address.substring(0, path);
        final String exportName = path < 0 ? "" : decode(address.substring(path + 1));
        require(authority.indexOf('@') < 0, "a user name is not supported");
        final int hostEnd;
        final String host;
        if (authority.startsWith("[")) {
            hostEnd = authority.indexOf(']') + 1;
            require(hostEnd > 0, "the closing ] of the IPv6 address is missing");
            host = decode(authority.substring(1, hostEnd - 1));
            require(host.indexOf(':') >= 0, "[" + host + "] is no IPv6 address");
            require(
                    hostEnd == authority.length() || authority.charAt(hostEnd) == ':',
                    "only a port may follow the IPv6 address");
        } else {
            final int colon = authority.indexOf(':');
            hostEnd = colon < 0 ? authority.length() : colon;
            host = decode(authority.substring(0, hostEnd));
            require(
                    authority.lastIndexOf(':') == colon,
                    "there is more than one colon; an IPv6 address stands in brackets, as in"
                            + " nbd://[::1]:10809");
        }
        return new NbdUri(tls, host, port(authority.substring(hostEnd)), null, exportName);
    }

    /** What follows the host: nothing, or a colon and perhaps a number (RFC 3986, 3.2.3). */
    private static int port(final String text) {
        if (text.length() <= 1) {
            return Nbd.DEFAULT_PORT;
        }
        final String digits = text.substring(1);
        require(digits.matches("[0-9]{1,5}"), "port " + digits + " is no number up to " + PORT_MAX);
        return Integer.parseInt(digits);
    }

    private static NbdUri unix(final String rest, final boolean tls) {
        final int query = rest.indexOf('?');
        final String address = query < 0 ? rest : rest.substring(0, query);
        require(
                address.isEmpty() || address.startsWith("/"),
                "a Unix socket has no host: three slashes follow the scheme");
        final String socket = query < 0 ? null : parameters(rest.substring(query + 1), tls, true);
        require(socket != null, "it names no ?socket=PATH");
        return new NbdUri(
                tls, null, -1, socket, address.isEmpty() ? "" : decode(address.substring(1)));
    }

    /** Answers the socket's path; null where there is none. */
    private static String parameters(final String query, final boolean tls, final boolean unix) {
        String socket = null;
        for (final String parameter : query.split("&", -1)) {
            final int equals = parameter.indexOf('=');
            final String key = equals < 0 ? parameter : parameter.substring(0, equals);
            if (key.equals("socket")) {
                require(unix, "?socket= belongs to the scheme nbd+unix");
                require(socket == null, "socket= is there twice");
                socket = equals < 0 ? "" : decode(parameter.substring(equals + 1));
            } else if (!key.startsWith("tls-") || !tls) {
                // Unknown ones are to be diagnosed, says the source.
                throw new IllegalArgumentException("parameter " + key + " is not known here");
            }
        }
        return socket;
    }

    private static void requireUriCharacters(final String text) {
        for (int i = 0; i < text.length(); i++) {
            final char character = text.charAt(i);
            if (character <= ' ' || character > '~' || "\"#<>\\^`{|}".indexOf(character) >= 0) {
                throw new IllegalArgumentException(
                        "it contains "
                                + described(character)
                                + ", which is written as "
                                + encode(String.valueOf(character)));
            }
        }
    }

    private static String described(final char character) {
        return character <= ' ' || Character.isISOControl(character)
                ? "a space or control character"
                : String.valueOf(character);
    }

    private static String decode(final String encoded) {
        final ByteBuffer bytes = ByteBuffer.allocate(encoded.length());
        for (int i = 0; i < encoded.length(); i++) {
            if (encoded.charAt(i) != '%') {
                bytes.put((byte) encoded.charAt(i));
                continue;
            }
            final int high =
                    i + 2 < encoded.length() ? Character.digit(encoded.charAt(i + 1), 16) : -1;
            final int low = high < 0 ? -1 : Character.digit(encoded.charAt(i + 2), 16);
            require(low >= 0, "two hexadecimal digits must follow each %; the sign itself is %25");
            bytes.put((byte) (high << 4 | low));
            i += 2;
        }
        try {
            return StandardCharsets.UTF_8.newDecoder().decode(bytes.flip()).toString();
        } catch (final CharacterCodingException e) {
            throw new IllegalArgumentException("what " + encoded + " stands for is not UTF-8", e);
        }
    }

    /** Encodes all that isn't plain anywhere in a URI, but for slashes. */
    private static String encode(final String plain) {
        final StringBuilder encoded = new StringBuilder();
        for (final byte value : plain.getBytes(StandardCharsets.UTF_8)) {
            final char character = (char) (value & 0xff);
            final boolean isPlain =
                    character < 0x80
                            && (Character.isLetterOrDigit(character)
                                    || "-._~/".indexOf(character) >= 0);
            if (isPlain) {
                encoded.append(character);
            } else {
                encoded.append('%');
                encoded.append(Character.toUpperCase(Character.forDigit(value >> 4 & 0xf, 16)));
                encoded.append(Character.toUpperCase(Character.forDigit(value & 0xf, 16)));
            }
        }
        return encoded.toString();
    }

    private static void require(final boolean condition, final String message) {
        if (!condition) {
            throw new IllegalArgumentException(message);
        }
    }

    /** Whether it names a Unix socket. */
    public boolean isUnix() {
        return socket != null;
    }

    /** The URI in its written form. */
    @Override
    public String toString() {
        final String scheme = tls ? "nbds" : "nbd";
        if (isUnix()) {
            return scheme + "+unix:///" + encode(exportName) + "?socket=" + encode(socket);
        }
        final String hostPart =
                host.indexOf(':') >= 0 ? "[" + host.replace("%", "%25") + "]" : encode(host);
        return scheme + "://" + hostPart + ":" + port + "/" + encode(exportName);
    }
}
