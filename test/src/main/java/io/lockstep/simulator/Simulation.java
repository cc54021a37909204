package io.lockstep.simulator;

import io.lockstep.engine.loop.IoLoop;

import java.util.PriorityQueue;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;

/**
 * A world in one thread, made from a seed: a clock, and a queue of events in the order of their
 * time. Hosts, network and disks put their events here; the same seed gives the same run.
 *
 * <p>A run ends with a {@link SimulationFailure} where an event throws, something calls {@link
 * #fail}, or the events grow too many. Its message has the seed, the last events and the command to
 * see it again; the system property {@value #TRACE} prints every event.
 */
public final class Simulation {
    /** Nanoseconds in a microsecond. */
    public static final long MICROSECOND = 1_000;

    /** Nanoseconds in a millisecond. */
    public static final long MILLISECOND = 1_000 * MICROSECOND;

    /** Nanoseconds in a second. */
    public static final long SECOND = 1_000 * MILLISECOND;

    /** System property: {@code true} prints every event as it happens. */
    public static final String TRACE = "lockstep.simulation.trace";

    private static final long EVENTS_MAX = 10_000_000;

    private final long seed;
    private final Dice dice;
    private final Trace trace = new Trace(Boolean.getBoolean(TRACE));
    private final PriorityQueue<Event> events = new PriorityQueue<>();

    /** Actions by the count of events after which they are due. */
    private final PriorityQueue<Event> moments = new PriorityQueue<>();

    private long eventsMax = EVENTS_MAX;
    private long eventCount;
    private long scheduledCount;
    private long now;
    private SimulatedLoop current;
    private Runnable observer = () -> {};
    private Throwable failure;

    /** An action at its time. */
    private static final class Event implements Comparable<Event>, IoLoop.Timer {
        private final long time;
        private final long sequence;
        private Runnable action;

        Event(final long time, final long sequence, final Runnable action) {
            this.time = time;
            this.sequence = sequence;
            this.action = action;
        }

        @Override
        public void cancel() {
            action = null;
        }

        @Override
        public int compareTo(final Event other) {
            final int byTime = Long.compare(time, other.time);
            return byTime != 0 ? byTime : Long.compare(sequence, other.sequence);
        }
    }

    /** A world in which nothing happens yet. */
    public Simulation(final long seed) {
        this.seed = seed;
        this.dice = new Dice(seed);
    }

    /**
     * Plays a scenario in a new world.
     *
     * @param test the class, or class and method ({@code Class#method}), that plays it; for the
     *     message
     * @return the {@link #traceHash} at the end
     * @throws SimulationFailure whatever the scenario or the simulation throws
     */
    public static long run(
            final long seed, final String test, final Consumer<Simulation> scenario) {
        final Simulation simulation = new Simulation(seed);
        try {
            scenario.accept(simulation);
        } catch (final Exception | Error thrown) {
            throw new SimulationFailure(simulation.describe(test, thrown), thrown);
        }
        return simulation.traceHash();
    }

    /** What everything is made from. */
    public long seed() {
        return seed;
    }

    /** The dice of the scenario itself; what else is in the world throws its own. */
    public Dice dice() {
        return dice;
    }

    /** The time since the beginning of the world, in nanoseconds. */
    public long now() {
        return now;
    }

    /** How many events there may be; a run that has more is taken for one that never ends. */
    public void eventsMax(final long count) {
        eventsMax = count;
    }

    /**
     * Lets something happen after a delay; what is due at the same time happens in the order of the
     * calls.
     */
    public IoLoop.Timer schedule(final long delayNanos, final Runnable action) {
        final Event event = new Event(now + Math.max(0, delayNanos), scheduledCount++, action);
        events.add(event);
        return event;
    }

    /**
     * Lets something happen right after so many more events: most likely at a busy moment, which a
     * random time most likely is not. Never, where there are not so many.
     */
    public void scheduleAfterEvents(final long count, final Runnable action) {
        moments.add(new Event(eventCount + count, scheduledCount++, action));
    }

    /** Has somebody look at the world after every event. */
    public void observe(final Runnable newObserver) {
        observer = newObserver;
    }

    /** Ends the run with a failure when the present event is over; only the first one counts. */
    public void fail(final Throwable cause) {
        if (failure == null) {
            failure = cause;
        }
    }

    /** Runs until nothing is left to happen. */
    public void runUntilIdle() {
        while (step(Long.MAX_VALUE)) {}
    }

    /** Runs for a time. */
    public void runFor(final long nanos) {
        final long end = now + nanos;
        while (step(end)) {}
        now = end;
    }

    /**
     * Runs until a condition holds.
     *
     * @param what the condition in words, for the message
     * @param nanosMax how long that may take
     * @throws AssertionError where it doesn't hold in that time, or nothing is left to happen
     */
    public void runUntil(final String what, final long nanosMax, final BooleanSupplier condition) {
        final long end = now + nanosMax;
        while (!condition.getAsBoolean()) {
            if (!step(end)) {
                throw new AssertionError(
                        (events.isEmpty() ? "nothing is left to happen" : "time is up")
                                + ", and it is not so that "
                                + what);
            }
        }
    }

    /**
     * Notes what happens, for people and for the hash.
     *
     * @param who host, connection or disk
     * @param what a constant
     * @param first a number that belongs to it, such as an offset
     * @param second another, such as a length
     */
    public void trace(final String who, final String what, final long first, final long second) {
        trace.add(now, who, what, first, second);
    }

    /** A number that tells one run from another: of all that was traced so far. */
    public long traceHash() {
        return trace.hash();
    }

    /** Whose code runs; null between events and in the scenario's own code. */
    SimulatedLoop current() {
        return current;
    }

    void current(final SimulatedLoop loop) {
        current = loop;
    }

    /** Fails the run where the code of another loop calls what belongs to this one. */
    void requireLoop(final SimulatedLoop owner, final String what) {
        if (current != null && current != owner) {
            fail(new AssertionError(current + " called " + what + ", which belongs to " + owner));
        }
    }

    private boolean step(final long end) {
        Event event = events.peek();
        while (event != null && event.action == null) {
            events.remove();
            event = events.peek();
        }
        if (event == null || event.time > end) {
            return false;
        }
        events.remove();
        now = event.time;
        if (++eventCount > eventsMax) {
            throw new AssertionError(
                    "more than " + eventsMax + " events: it goes round in circles");
        }
        event.action.run();
        observer.run();
        while (!moments.isEmpty() && moments.peek().time <= eventCount) {
            moments.remove().action.run();
        }
        if (failure != null) {
            throw new AssertionError(failure.toString(), failure);
        }
        return true;
    }

    private String describe(final String test, final Throwable thrown) {
        return thrown
                + "\n  seed "
                + seed
                + ", "
                + now / 1e9
                + " s, event "
                + eventCount
                + "; the last ones:\n"
                + trace
                + "  see it again: mvn -o -q test -pl test -am"
                + " -Dsurefire.failIfNoSpecifiedTests=false -Dtest='"
                + test
                + "' -D"
                + Seeds.SEED
                + "="
                + seed
                + " [-D"
                + TRACE
                + "=true]";
    }
}
