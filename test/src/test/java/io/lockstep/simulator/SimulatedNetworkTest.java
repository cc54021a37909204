package io.lockstep.simulator;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.lockstep.engine.loop.Connection;
import io.lockstep.engine.loop.ConnectionHandler;
import io.lockstep.engine.loop.Endpoint;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

import java.io.IOException;
import java.util.Arrays;
import java.util.HashSet;
import java.util.Set;
import java.util.function.Consumer;
import java.util.stream.LongStream;

/** Connections over the simulated network behave as sockets do, whole and broken. */
final class SimulatedNetworkTest {
    private static final String TEST = "SimulatedNetworkTest";

    /** A client's host and a server's, and bytes to be echoed. */
    private static final class World {
        final Simulation simulation;
        final SimulatedNetwork network;
        final SimulatedHost clientHost;
        final SimulatedHost serverHost;
        final SimulatedLoop client;
        final SimulatedLoop server;
        final byte[] bytes;

        World(final Simulation simulation, final NetworkFaults faults) {
            this.simulation = simulation;
            network = new SimulatedNetwork(simulation, faults);
            clientHost = new SimulatedHost(network, "client");
            serverHost = new SimulatedHost(network, "server");
            client = clientHost.loop("loop");
            server = serverHost.loop("loop");
            bytes = new byte[simulation.dice().between(1, 300_000)];
            simulation.dice().fill(bytes);
        }

        Echo.Client echo() {
            final Echo.Client echo = new Echo.Client(bytes);
            client.connect(Echo.ENDPOINT, echo);
            return echo;
        }
    }

    static LongStream seeds() {
        return Seeds.usually(50);
    }

    private static long run(
            final long seed, final NetworkFaults faults, final Consumer<World> scenario) {
        return Simulation.run(
                seed, TEST, simulation -> scenario.accept(new World(simulation, faults)));
    }

    @ParameterizedTest
    @MethodSource("seeds")
    void everyByteArrivesInOrderAndThenTheEnd(final long seed) {
        run(
                seed,
                NetworkFaults.NONE,
                world -> {
                    Echo.listen(world.server);
                    final Echo.Client one = world.echo();
                    final Echo.Client other = world.echo();
                    world.simulation.runUntilIdle();
                    assertNull(one.failure);
                    assertTrue(one.ended && other.ended);
                    assertArrayEquals(world.bytes, one.received.toByteArray());
                    assertArrayEquals(world.bytes, other.received.toByteArray());
                });
    }

    @Test
    void theSameSeedGivesTheSameRunAndAnotherSeedAnother() {
        final Set<Long> hashes = new HashSet<>();
        for (long seed = 0; seed < 10; seed++) {
            final long first = runEcho(seed);
            assertEquals(first, runEcho(seed));
            hashes.add(first);
        }
        assertEquals(10, hashes.size());
    }

    private static long runEcho(final long seed) {
        return run(
                seed,
                NetworkFaults.NONE.breaking(0, 0.001, 0),
                world -> {
                    Echo.listen(world.server);
                    world.echo();
                    world.simulation.runUntilIdle();
                });
    }

    @Test
    void nobodyListensOrTheNetworkRefuses() {
        run(
                1,
                NetworkFaults.NONE,
                world -> {
                    final Echo.Client echo = world.echo();
                    world.simulation.runUntilIdle();
                    assertTrue(
                            echo.failure.getMessage().contains("refused"),
                            echo.failure.getMessage());
                });
        run(
                1,
                NetworkFaults.NONE.breaking(1, 0, 0),
                world -> {
                    Echo.listen(world.server);
                    final Echo.Client echo = world.echo();
                    world.simulation.runUntilIdle();
                    assertTrue(
                            echo.failure.getMessage().contains("refused"),
                            echo.failure.getMessage());
                });
    }

    @Test
    void anEndpointIsTakenUntilItsListenerIsClosed() {
        run(
                1,
                NetworkFaults.NONE,
                world -> {
                    final var listener = Echo.listen(world.server);
                    assertThrows(
                            IOException.class,
                            () ->
                                    world.server.listen(
                                            new Endpoint.Tcp("server", 7), accepted -> {}));
                    listener.close();
                    Echo.listen(world.server);
                });
    }

    @ParameterizedTest
    @MethodSource("seeds")
    void whatWasReceivedBeforeACutIsTheBeginningOfWhatWasSent(final long seed) {
        run(
                seed,
                NetworkFaults.NONE.breaking(0, 0.02, 0),
                world -> {
                    Echo.listen(world.server);
                    final Echo.Client echo = world.echo();
                    world.simulation.runUntilIdle();
                    assertTrue(echo.isOver());
                    final byte[] received = echo.received.toByteArray();
                    assertArrayEquals(Arrays.copyOf(world.bytes, received.length), received);
                    assertEquals(echo.failure == null, received.length == world.bytes.length);
                });
    }

    @ParameterizedTest
    @MethodSource("seeds")
    void ofAHalfOpenConnectionNobodyHears(final long seed) {
        run(
                seed,
                NetworkFaults.NONE.breaking(0, 0, 1),
                world -> {
                    Echo.listen(world.server);
                    final Echo.Client echo = world.echo();
                    world.simulation.runFor(3600 * Simulation.SECOND);
                    assertFalse(echo.isOver());
                    assertEquals(0, echo.received.size());
                });
    }

    @ParameterizedTest
    @MethodSource("seeds")
    void aPartedNetworkIsSilentUntilItIsHealed(final long seed) {
        run(
                seed,
                NetworkFaults.NONE,
                world -> {
                    Echo.listen(world.server);
                    final Echo.Client before = world.echo();
                    world.simulation.runFor(
                            world.simulation.dice().between(0, 70 * Simulation.MICROSECOND));
                    world.network.partition(world.clientHost, world.serverHost);
                    final Echo.Client during = world.echo();
                    world.simulation.runFor(200 * Simulation.SECOND);
                    assertFalse(before.ended);
                    assertEquals(0, before.received.size());
                    assertTrue(
                            during.failure.getMessage().contains("timed out"),
                            during.failure.getMessage());
                    world.network.heal(world.clientHost, world.serverHost);
                    final Echo.Client after = world.echo();
                    world.simulation.runUntilIdle();
                    assertTrue(after.ended);
                });
    }

    @ParameterizedTest
    @MethodSource("seeds")
    void aKilledOrCrashedServerIsHeardOfAndStartsAgain(final long seed) {
        run(
                seed,
                NetworkFaults.NONE,
                world -> {
                    Echo.listen(world.server);
                    final Echo.Client before = world.echo();
                    world.simulation.runFor(
                            world.simulation.dice().between(0, 2 * Simulation.MILLISECOND));
                    if (world.simulation.dice().chance(0.5)) {
                        world.serverHost.kill();
                    } else {
                        world.serverHost.crash();
                    }
                    world.simulation.runUntilIdle();
                    assertTrue(before.isOver());
                    Echo.listen(world.serverHost.loop("again"));
                    final Echo.Client after = world.echo();
                    world.simulation.runUntilIdle();
                    assertArrayEquals(world.bytes, after.received.toByteArray());
                });
    }

    @Test
    void aHandlerThatWantsEventsAndDoesNothingIsFound() {
        final SimulationFailure failure =
                assertThrows(
                        SimulationFailure.class,
                        () ->
                                run(
                                        1,
                                        NetworkFaults.NONE,
                                        world -> {
                                            try {
                                                world.server.listen(
                                                        Echo.ENDPOINT,
                                                        accepted ->
                                                                accepted.open(
                                                                        world.server, Lazy::new));
                                            } catch (final IOException e) {
                                                throw new AssertionError(e);
                                            }
                                            world.echo();
                                            world.simulation.runUntilIdle();
                                        }));
        assertTrue(failure.getMessage().contains("does nothing"), failure.getMessage());
    }

    private static final class Lazy implements ConnectionHandler {
        Lazy(final Connection connection) {
            connection.interest(true, false);
        }

        @Override
        public void onReadable() {}

        @Override
        public void onWritable() {}

        @Override
        public void onFailure(final Throwable cause) {}
    }

    @Test
    void clocksOfTwoHostsHaveNothingInCommon() {
        run(
                1,
                NetworkFaults.NONE,
                world -> {
                    assertNotEquals(world.client.nanoTime(), world.server.nanoTime());
                    final long start = world.client.nanoTime();
                    world.simulation.runFor(5);
                    assertEquals(5, world.client.nanoTime() - start);
                });
    }
}
