package io.lockstep.nbd;

import java.net.URI;
import java.net.URISyntaxException;
import java.net.URLDecoder;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;

/**
 * An NBD URI: an immutable value.
 *
 * <p>Source: the NetworkBlockDevice project's {@code doc/uri.md}. The vsock and libssh forms are
 * not known here.
 *
 * @param tls whether the scheme asks for TLS ({@code nbds}, {@code nbds+unix})
 * @param host name or address for TCP, without brackets; empty for a listener on all addresses;
 *     null for a Unix socket
 * @param port for TCP; 0 where a free one is wanted; -1 for a Unix socket
 * @param socket path of a Unix socket; null for TCP
 * @param exportName the export, empty for the default one
 */
public record NbdUri(boolean tls, String host, int port, String socket, String exportName) {
    private static final String EXAMPLES =
            "; write nbd://localhost:10809/disk or nbd+unix:///disk?socket=/run/lockstep.sock";

    /**
     * Reads a URI.
     *
     * @throws IllegalArgumentException saying what is wrong, with an example of a right one
     */
    public static NbdUri parse(final String text) {
        final URI uri;
        try {
            uri = new URI(text.endsWith("://") ? text + "/" : text); // java.net wants one there
        } catch (final URISyntaxException e) {
            throw failure(text, e.getReason());
        }
        final String scheme = uri.getScheme();
        if (scheme == null || uri.isOpaque()) {
            throw failure(text, "it is no NBD URI");
        }
        return switch (scheme) {
            case "nbd" -> tcp(text, uri, false);
            case "nbds" -> tcp(text, uri, true);
            case "nbd+unix" -> unix(text, uri, false);
            case "nbds+unix" -> unix(text, uri, true);
            default -> throw failure(text, "scheme " + scheme + " is not known");
        };
    }

    private static NbdUri tcp(final String text, final URI uri, final boolean tls) {
        if (uri.getRawQuery() != null) {
            throw failure(text, "a TCP address takes no ?parameters");
        }
        final String authority = uri.getRawAuthority() == null ? "" : uri.getRawAuthority();
        String host = uri.getHost();
        int port = uri.getPort();
        if (host == null) {
            // What java.net.URI takes for no server: an empty host, with or without a port.
            if (!authority.isEmpty() && !authority.matches(":[0-9]{0,5}")) {
                throw failure(text, "its host or port is not valid");
            }
            host = "";
            port = authority.length() > 1 ? Integer.parseInt(authority.substring(1)) : -1;
        }
        if (host.startsWith("[")) {
            host = host.substring(1, host.length() - 1);
        }
        if (port > 65535) {
            throw failure(text, "port " + port + " is beyond 65535");
        }
        return new NbdUri(tls, host, port < 0 ? Nbd.DEFAULT_PORT : port, null, export(uri));
    }

    private static NbdUri unix(final String text, final URI uri, final boolean tls) {
        if (uri.getRawAuthority() != null) {
            throw failure(text, "a Unix socket has no host: three slashes follow the scheme");
        }
        String socket = null;
        final String query = uri.getRawQuery() == null ? "" : uri.getRawQuery();
        for (final String parameter : query.split("&", -1)) {
            if (parameter.startsWith("socket=")) {
                // A plus is itself here, unlike in web forms.
                socket = decode(parameter.substring("socket=".length()));
            }
        }
        if (socket == null || socket.isEmpty()) {
            throw failure(text, "it names no ?socket=PATH");
        }
        return new NbdUri(tls, null, -1, socket, export(uri));
    }

    private static String export(final URI uri) {
        final String path = uri.getRawPath();
        return path.startsWith("/") ? decode(path.substring(1)) : "";
    }

    private static String decode(final String encoded) {
        return URLDecoder.decode(encoded.replace("+", "%2B"), StandardCharsets.UTF_8);
    }

    private static String encode(final String plain) {
        return URLEncoder.encode(plain, StandardCharsets.UTF_8)
                .replace("+", "%20")
                .replace("%2F", "/");
    }

    private static IllegalArgumentException failure(final String text, final String reason) {
        return new IllegalArgumentException("bad NBD URI " + text + ": " + reason + EXAMPLES);
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
        final String hostPart = host.indexOf(':') >= 0 ? "[" + host + "]" : host;
        return scheme + "://" + hostPart + ":" + port + "/" + encode(exportName);
    }
}
