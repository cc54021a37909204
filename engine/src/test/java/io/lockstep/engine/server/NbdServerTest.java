package io.lockstep.engine.server;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.lockstep.nbd.ExportCatalog.Choice;
import io.lockstep.nbd.Nbd;

import org.junit.jupiter.api.Test;

import java.util.List;

/** What a server says of exports that are not there. */
final class NbdServerTest {
    private final NbdServer server = new NbdServer(null, List.of(), new ConnectionLimit(1), null);

    @Test
    void withoutAnExportItSaysThatThereIsNone() {
        for (final String name : List.of("", "a")) {
            assertEquals(
                    new Choice.Refused(Nbd.REP_ERR_UNKNOWN, "there is no export yet"),
                    server.find(name));
        }
    }
}
