package io.lockstep.simulator;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import io.lockstep.engine.loop.Endpoint;
import io.lockstep.engine.loop.IoLoop;
import io.lockstep.engine.server.ConnectionLimit;
import io.lockstep.engine.server.NbdServer;
import io.lockstep.engine.server.ServedExport;
import io.lockstep.engine.server.ServerEvents;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.stream.LongStream;

/**
 * The real server and the real client against each other: several connections, several disks, all
 * reply styles, and in every seed another choice of what goes wrong. Shows I5, and that nothing
 * hangs.
 */
final class NbdInSimulationTest {
    private static final String TEST = "NbdInSimulationTest";
    private static final Endpoint ENDPOINT = new Endpoint.Tcp("server", 10809);
    private static final int CONNECTIONS_MAX = 1000;

    /** A server has so much time to end in peace. */
    private static final long STOP_NANOS = 5 * Simulation.SECOND;

    private static final long GREEDY_DISK_LENGTH = 16 << 20;
    private static final long WHILE_NANOS = 600 * Simulation.SECOND;

    static LongStream seeds() {
        return Seeds.usually(300);
    }

    @ParameterizedTest
    @MethodSource("seeds")
    void guestsReadWhatTheyWroteAndKeepWhatTheyFlushed(final long seed) {
        Simulation.run(seed, TEST, NbdInSimulationTest::play);
    }

    /**
     * Where it isn't so, the engine has a source of chance, and no failing seed can be repeated.
     */
    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3, 4, 5})
    void theSameSeedGivesTheSameRun(final long seed) {
        final long hash = Simulation.run(seed, TEST, NbdInSimulationTest::play);
        assertEquals(hash, Simulation.run(seed, TEST, NbdInSimulationTest::play));
    }

    /** A short session, and the end of the server at each of its events in turn. */
    @ParameterizedTest
    @MethodSource("seeds")
    void theServerMayEndInAnyWayAtAnyMoment(final long seed) {
        for (final Ending ending : Ending.values()) {
            Simulation.run(
                    seed,
                    TEST,
                    world -> new Scenario(world, Trouble.NONE).playEnding(ending, seed + 1));
        }
    }

    /** Its handshake takes too long; not before the server's time is up, by whatever clock. */
    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20})
    void aClientThatSaysNothingIsCutAfterTenSeconds(final long seed) {
        Simulation.run(seed, TEST, simulation -> new Scenario(simulation, Trouble.NONE).playMute());
    }

    private static void play(final Simulation simulation) {
        new Scenario(simulation, Trouble.choose(simulation.dice())).play();
    }

    /** How a server may end. */
    private enum Ending {
        CRASH,
        KILL,
        STOP
    }

    /**
     * What is out of the ordinary.
     *
     * @param isGreedy whether guests ask for more at a time than the server has memory for
     * @param isCrowded whether they are more than the server admits
     * @param disasters how often the server ends
     */
    private record Trouble(
            boolean isGreedy,
            boolean isCrowded,
            boolean networkBreaks,
            boolean disksFail,
            boolean disksStick,
            int disasters) {
        static final Trouble NONE = new Trouble(false, false, false, false, false, 0);

        static Trouble choose(final Dice dice) {
            final boolean networkBreaks = dice.chance(0.4);
            return new Trouble(
                    dice.chance(0.02),
                    !networkBreaks && dice.chance(0.2),
                    networkBreaks,
                    dice.chance(0.3),
                    dice.chance(0.1),
                    dice.chance(0.4) ? dice.between(1, 4) : 0);
        }
    }

    /** A server on its loop. */
    private record Served(SimulatedLoop loop, NbdServer server) {}

    /** One host that serves, one with guests, and a choice of faults. */
    private static final class Scenario implements ServerEvents {
        private final Simulation simulation;
        private final Dice dice;
        private final SimulatedNetwork network;
        private final SimulatedHost serverHost;
        private final SimulatedHost guestHost;
        private final List<GuestDisk> disks = new ArrayList<>();
        private final List<NbdGuest> guests = new ArrayList<>();
        private final List<Served> servers = new ArrayList<>();
        private IoLoop.Listener listener;
        private int accepted;
        private boolean isUp = true;
        private boolean isEnding;

        private final Trouble trouble;
        private final int connectionsMax;
        private int disastersLeft;

        Scenario(final Simulation simulation, final Trouble trouble) {
            this.simulation = simulation;
            this.trouble = trouble;
            dice = simulation.dice().split();
            connectionsMax = trouble.isCrowded ? dice.between(1, 2) : CONNECTIONS_MAX;
            disastersLeft = trouble.disasters;
            network = new SimulatedNetwork(simulation, chooseNetworkFaults());
            serverHost = new SimulatedHost(network, "server");
            guestHost = new SimulatedHost(network, "guest");
        }

        void playMute() {
            disks.add(makeDisk("disk"));
            startServer();
            final Echo.Client mute = new Echo.Client(new byte[1]);
            mute.keepSilent();
            guestHost.loop("mute").connect(ENDPOINT, mute);
            simulation.runFor(9900 * Simulation.MILLISECOND);
            assertFalse(mute.isOver());
            simulation.runUntil("it is cut", 2 * Simulation.SECOND, mute::isOver);
        }

        void playEnding(final Ending ending, final long moment) {
            disks.add(makeDisk("disk"));
            startServer();
            for (int i = 0; i < 2; i++) {
                addGuest(i, new NbdGuest.Habits(4, 4, 20_000, 9_000, false));
            }
            simulation.scheduleAfterEvents(
                    moment,
                    () -> {
                        if (!isEnding) {
                            isUp = false;
                            end(ending, this::startServerLater);
                        }
                    });
            serveGuests();
        }

        private NetworkFaults chooseNetworkFaults() {
            final NetworkFaults calm =
                    dice.chance(0.3) && !trouble.isGreedy
                            ? NetworkFaults.NONE.buffering(100, 5000)
                            : NetworkFaults.NONE;
            return trouble.networkBreaks
                    ? calm.breaking(
                                    dice.chance(0.5) ? 0.1 : 0,
                                    dice.chance(0.7) ? 0.01 : 0,
                                    dice.chance(0.3) ? 0.002 : 0)
                            .crashingSilently(dice.chance(0.5) ? 0.5 : 0)
                    : calm;
        }

        void play() {
            for (int i = dice.between(1, 3); i > 0; i--) {
                disks.add(makeDisk("disk" + i));
            }
            startServer();
            final boolean mayOverlap = dice.chance(0.3);
            for (int i = trouble.isGreedy ? 1 : dice.between(1, 5); i > 0; i--) {
                addGuest(i, chooseHabits(mayOverlap));
            }
            scheduleDisaster();
            if (trouble.disksStick) {
                unstick();
            }
            serveGuests();
        }

        private void addGuest(final int number, final NbdGuest.Habits habits) {
            final GuestDisk disk = disks.get(dice.between(0, disks.size() - 1));
            final SimulatedLoop loop = guestHost.loop("loop" + number);
            guests.add(new NbdGuest(loop, ENDPOINT, disk, habits));
        }

        /** Has all guests served; then the server stops as it is told, and the power fails. */
        private void serveGuests() {
            guests.forEach(NbdGuest::start);
            simulation.runUntil(
                    "all guests are served",
                    WHILE_NANOS,
                    () -> isUp && guests.stream().allMatch(NbdGuest::isGone));
            isEnding = true;
            final AtomicBoolean stopped = new AtomicBoolean();
            stopServer(() -> stopped.set(true));
            simulation.runUntil("the server is quiet", 2 * STOP_NANOS, stopped::get);
            disks.forEach(GuestDisk::onRest);
            if (trouble.disksFail && !trouble.networkBreaks && trouble.disasters == 0) {
                disks.forEach(GuestDisk::checkErrors);
            }
            serverHost.crash();
            disks.forEach(GuestDisk::onCrash);
            guests.forEach(NbdGuest::close);
        }

        /** Now and then a guest that has the server's limits met: of memory, or of requests. */
        private NbdGuest.Habits chooseHabits(final boolean mayOverlap) {
            if (trouble.isGreedy) {
                return new NbdGuest.Habits(10, 8, 12 << 20, 12 << 20, mayOverlap);
            }
            return dice.chance(0.05)
                    ? new NbdGuest.Habits(1000, 400, 5000, 500, true)
                    : new NbdGuest.Habits(dice.between(10, 120), 16, 200 << 10, 9000, mayOverlap);
        }

        private GuestDisk makeDisk(final String name) {
            final long length =
                    trouble.isGreedy
                            ? GREEDY_DISK_LENGTH
                            : dice.between(1, dice.chance(0.5) ? 20_000 : 1_000_000);
            DiskFaults faults = DiskFaults.NONE.sticking(trouble.disksStick ? 0.005 : 0);
            faults = dice.chance(0.5) ? faults : faults.immediately(dice.oneOf(0.0, 0.8, 1.0));
            faults = dice.chance(0.7) ? faults : faults.withoutFastZero();
            final SimulatedMedium medium = new SimulatedMedium(simulation, name, length, faults);
            final GuestDisk disk = new GuestDisk(simulation, medium);
            if (trouble.disksFail) {
                disk.fail(dice.oneOf(0.01, 0.1, 0.5));
            }
            return disk;
        }

        private void startServer() {
            final ConnectionLimit limit = new ConnectionLimit(connectionsMax);
            servers.clear();
            for (int i = dice.between(1, 2); i > 0; i--) {
                final SimulatedLoop loop = serverHost.loop("loop" + i);
                final List<ServedExport> exports =
                        disks.stream()
                                .map(disk -> serverHost.open(disk.medium(), loop))
                                .map(disk -> ServedExport.of(disk, "simulated"))
                                .toList();
                final NbdServer server = new NbdServer(loop, exports, limit, this);
                serverHost.onStop(server::abort);
                servers.add(new Served(loop, server));
            }
            final List<Served> ours = List.copyOf(servers);
            try {
                listener =
                        ours.getFirst().loop.listen(ENDPOINT, connection -> deal(connection, ours));
            } catch (final IOException e) {
                throw new UncheckedIOException(e);
            }
        }

        private void deal(final IoLoop.Accepted connection, final List<Served> all) {
            final Served served = all.get(accepted++ % all.size());
            connection.open(served.loop, served.server::connect);
        }

        private void scheduleDisaster() {
            if (disastersLeft-- <= 0) {
                return;
            }
            if (dice.chance(0.3)) {
                simulation.schedule(dice.between(0, 300 * Simulation.MILLISECOND), this::disaster);
            } else {
                simulation.scheduleAfterEvents(dice.between(1, 3000), this::disaster);
            }
        }

        private void disaster() {
            if (isEnding) {
                return;
            }
            isUp = false;
            end(dice.oneOf(Ending.values()), this::startServerLater);
        }

        private void end(final Ending ending, final Runnable whenEnded) {
            switch (ending) {
                case CRASH -> {
                    serverHost.crash();
                    disks.forEach(GuestDisk::onCrash);
                    whenEnded.run();
                }
                case KILL -> {
                    serverHost.kill();
                    disks.forEach(GuestDisk::onRest);
                    whenEnded.run();
                }
                case STOP ->
                        stopServer(
                                () -> {
                                    serverHost.kill();
                                    disks.forEach(GuestDisk::onRest);
                                    whenEnded.run();
                                });
            }
        }

        private void startServerLater() {
            simulation.schedule(
                    dice.between(0, 300 * Simulation.MILLISECOND),
                    () -> {
                        startServer();
                        isUp = true;
                        scheduleDisaster();
                    });
        }

        /** Stops the server as it is told to, with guests or without. */
        private void stopServer(final Runnable whenStopped) {
            final List<Served> stopping = List.copyOf(servers);
            final Set<Served> stopped = new HashSet<>();
            listener.close();
            for (final Served served : stopping) {
                final Runnable whenQuiet =
                        () -> {
                            if (!stopped.add(served)) {
                                throw new AssertionError("a server is quiet twice");
                            }
                            if (stopped.size() == stopping.size()) {
                                simulation.schedule(0, whenStopped);
                            }
                        };
                served.loop.execute(() -> served.server.shutDown(whenQuiet));
                served.loop.schedule(STOP_NANOS, served.server::abort);
            }
        }

        private void unstick() {
            disks.forEach(disk -> disk.medium().release());
            simulation.schedule(Simulation.SECOND, this::unstick);
        }

        @Override
        public void onDiskError(final String sentence) {
            if (!trouble.disksFail) {
                throw new AssertionError(sentence);
            }
        }

        @Override
        public void onClientProblem(final String peer, final String sentence) {
            if (!trouble.networkBreaks && !trouble.isCrowded && !guests.isEmpty()) {
                throw new AssertionError(sentence);
            }
        }
    }
}
