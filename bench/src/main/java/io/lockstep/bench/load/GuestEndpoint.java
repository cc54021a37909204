package io.lockstep.bench.load;

import io.lockstep.engine.loop.Endpoint;
import io.lockstep.nbd.NbdUri;

import java.nio.file.Path;

/** Where an NBD URI leads. */
final class GuestEndpoint {
    private GuestEndpoint() {}

    static Endpoint of(final NbdUri uri) {
        return uri.isUnix()
                ? new Endpoint.Unix(Path.of(uri.socket()))
                : new Endpoint.Tcp(uri.host(), uri.port());
    }
}
