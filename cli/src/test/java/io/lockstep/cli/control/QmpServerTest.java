package io.lockstep.cli.control;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import io.lockstep.engine.loop.Connection;

import org.junit.jupiter.api.Test;

import java.lang.reflect.Proxy;
import java.util.ArrayList;
import java.util.List;

/** Who comes at the last moment is turned away, and ends nothing but its own connection. */
final class QmpServerTest {
    private final List<String> calls = new ArrayList<>();

    @Test
    void aClientThatWasAcceptedWhileTheServerClosedIsClosed() {
        final Connection connection =
                (Connection)
                        Proxy.newProxyInstance(
                                Connection.class.getClassLoader(),
                                new Class<?>[] {Connection.class},
                                (proxy, method, arguments) -> {
                                    calls.add(method.getName());
                                    return method.getReturnType() == int.class ? 0 : null;
                                });
        final QmpServer server = new QmpServer(new TasksLoop(), thrown -> {});
        server.close();
        server.serve(connection);
        assertEquals(List.of("close"), calls);
        assertFalse(server.hasClients());
    }
}
