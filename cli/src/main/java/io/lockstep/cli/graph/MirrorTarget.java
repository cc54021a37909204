package io.lockstep.cli.graph;

import io.lockstep.engine.loop.Endpoint;
import io.lockstep.engine.primary.Peer;
import io.lockstep.nbd.NbdUri;

import java.nio.file.Path;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Reads what a disk is to be mirrored to: an export of an NBD server, in any of the ways in which
 * QEMU's users write one as a file's name. Stateless. Source: QEMU's manual page, "NBD".
 */
final class MirrorTarget {
    private static final Pattern OLD_FORM =
            Pattern.compile(
                    "nbd:(?:unix:(?<path>[^:]+)|(?<host>\\[.*]|[^:]+):(?<port>\\d+))(?::exportname=(?<export>.*))?");

    private MirrorTarget() {}

    /**
     * Reads one.
     *
     * @throws GraphException where it is none
     */
    static Peer read(final String text) {
        final Matcher old = OLD_FORM.matcher(text);
        if (old.matches()) {
            final String export = old.group("export") == null ? "" : old.group("export");
            return new Peer(
                    old.group("path") == null
                            ? new Endpoint.Tcp(
                                    old.group("host"), Integer.parseInt(old.group("port")))
                            : new Endpoint.Unix(PathText.read(old.group("path"), "target")),
                    export);
        }
        try {
            final NbdUri uri = NbdUri.parse(text);
            if (uri.tls()) {
                throw new GraphException("TLS is not offered; name the target with nbd://");
            }
            return new Peer(
                    uri.isUnix()
                            ? new Endpoint.Unix(Path.of(uri.socket()))
                            : new Endpoint.Tcp(uri.host(), uri.port()),
                    uri.exportName());
        } catch (final IllegalArgumentException e) {
            throw new GraphException(
                    "Could not open '"
                            + text
                            + "': a disk is mirrored to an export of an NBD server, as in"
                            + " nbd://HOST:PORT/EXPORT ("
                            + e.getMessage()
                            + ")");
        }
    }
}
