package io.lockstep.cli.argument;

import io.lockstep.engine.loop.Endpoint;
import io.lockstep.nbd.NbdUri;

import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;

import java.util.List;

/** Endpoints as the command line writes them: NBD URIs without an export. Stateless. */
public final class EndpointArguments {
    private EndpointArguments() {}

    /**
     * Reads all values of an option that says where to listen.
     *
     * @throws ParameterException where one is no URI that can be used, or two are one
     */
    public static List<Endpoint> parse(
            final CommandSpec spec, final String option, final List<String> texts) {
        final List<Endpoint> endpoints =
                texts.stream().map(text -> parse(spec, option, text)).toList();
        for (int i = 1; i < endpoints.size(); i++) {
            requireApart(
                    spec, option, endpoints.subList(0, i), option, endpoints.subList(i, i + 1));
        }
        return endpoints;
    }

    /**
     * Refuses those of two options where one command can't listen on both.
     *
     * @throws ParameterException where one is given with either of them
     */
    public static void requireApart(
            final CommandSpec spec,
            final String option,
            final List<Endpoint> endpoints,
            final String otherOption,
            final List<Endpoint> others) {
        for (final Endpoint endpoint : endpoints) {
            for (final Endpoint other : others) {
                if (OwnEndpoint.areOne(endpoint, other)) {
                    throw usage(
                            spec,
                            option
                                    + " "
                                    + uri(endpoint)
                                    + " and "
                                    + otherOption
                                    + " "
                                    + uri(other)
                                    + " are one address, and nothing can listen there twice: give"
                                    + " each one of its own");
                }
            }
        }
    }

    /** The same for one that is connected to, which needs a host. */
    public static Endpoint parsePeer(
            final CommandSpec spec, final String option, final String text) {
        final Endpoint endpoint = parse(spec, option, text);
        if (endpoint instanceof Endpoint.Tcp(String host, int port)
                && (host.isEmpty() || port == 0)) {
            throw usage(spec, option + ": host or port is missing in " + text);
        }
        return endpoint;
    }

    private static Endpoint parse(final CommandSpec spec, final String option, final String text) {
        final NbdUri uri;
        try {
            uri = NbdUri.parse(text);
        } catch (final IllegalArgumentException e) {
            throw usage(spec, option + ": " + e.getMessage());
        }
        if (uri.tls()) {
            throw usage(
                    spec,
                    option + ": TLS is not supported yet; write nbd: instead of nbds: in " + text);
        }
        if (!uri.exportName().isEmpty()) {
            throw usage(
                    spec,
                    option
                            + ": leave the export out of "
                            + text
                            + "; --disk gives exports their names");
        }
        return uri.isUnix()
                ? new Endpoint.Unix(PathConverter.parse(spec, option, uri.socket()))
                : new Endpoint.Tcp(uri.host(), uri.port());
    }

    private static ParameterException usage(final CommandSpec spec, final String message) {
        return new ParameterException(spec.commandLine(), message);
    }

    /** Endpoints as URIs, for a sentence. */
    public static String uris(final List<Endpoint> endpoints) {
        return String.join(", ", endpoints.stream().map(EndpointArguments::uri).toList());
    }

    /** The same for one. */
    public static String uri(final Endpoint endpoint) {
        final NbdUri uri =
                endpoint instanceof Endpoint.Tcp(String host, int port)
                        ? new NbdUri(false, host, port, null, "")
                        : new NbdUri(
                                false, null, -1, ((Endpoint.Unix) endpoint).path().toString(), "");
        return uri.toString();
    }
}
