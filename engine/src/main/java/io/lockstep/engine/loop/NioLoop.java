package io.lockstep.engine.loop;

import jdk.net.ExtendedSocketOptions;

import org.agrona.ErrorHandler;
import org.jctools.queues.atomic.MpscUnboundedAtomicArrayQueue;

import java.io.IOException;
import java.net.StandardSocketOptions;
import java.nio.channels.SelectableChannel;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.SocketChannel;
import java.util.ArrayDeque;
import java.util.Comparator;
import java.util.List;
import java.util.PriorityQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import java.util.function.Function;

/**
 * The loop over real sockets: its duty cycle makes the calls that wait, runs tasks and timers that
 * are due and then the handlers of the sockets that are ready.
 *
 * <p>It has one thread at a time, and another one when that stands still in a {@link DeviceCall}:
 * between two actions nothing of the loop is on the thread's stack, so that whoever has the loop
 * next goes on with it as it is ({@link CallGuard}).
 *
 * <p>When a cycle found nothing to do it goes on looking for a little while before it lets the
 * thread sleep in the selector: the next request of a client that waits for replies is then met
 * awake. Source: {@code java.nio.channels}, {@code epoll(7)}.
 */
public final class NioLoop implements IoLoop, AutoCloseable {
    /** Loops of this process that are not asleep; they share its cores. */
    private static final AtomicInteger AWAKE = new AtomicInteger();

    /**
     * With more loops awake than this none looks for work: it would keep a client from its core.
     */
    private static final int AWAKE_MAX =
            Math.max(1, Runtime.getRuntime().availableProcessors() / 2);

    /** After so long without work for any other loop with a core, one is alone. */
    private static final long ALONE_NANOS = TimeUnit.MILLISECONDS.toNanos(5);

    private static final int NO_CORE = -1;

    /** Of the loops with a core, which had work for its sockets last, and since when no other. */
    private static volatile NioLoop lastAtWork;

    private static volatile long aloneSinceNanos = System.nanoTime();

    private static final int TASK_CHUNK = 256;
    private static final int TASKS_PER_CYCLE = 256;
    private static final int CLOSE_TIMEOUT_MS = 5_000;

    /** Asked of the kernel, which gives as much as {@code net.core.wmem_max} allows; in bytes. */
    private static final int UNIX_SEND_LENGTH = 1 << 20;

    /** The kernel asks a silent host for so long, ninety seconds, before a connection is broken. */
    private static final int KEEP_ALIVE_IDLE_SECONDS = 30;

    private static final int KEEP_ALIVE_INTERVAL_SECONDS = 10;
    private static final int KEEP_ALIVE_COUNT = 6;

    private final String name;
    private final ErrorHandler errorHandler;
    private final long spinNanos;
    private final Selector selector;
    private final Consumer<SelectionKey> onSelected = this::onSelected;
    private final MpscUnboundedAtomicArrayQueue<Runnable> tasks =
            new MpscUnboundedAtomicArrayQueue<>(TASK_CHUNK);
    private final PriorityQueue<LoopTimer> timers =
            new PriorityQueue<>(Comparator.comparingLong(timer -> timer.deadline));
    private final ArrayDeque<DeviceCall> calls = new ArrayDeque<>();
    private final CallGuard guard = new CallGuard(this::startSuccessor);
    private final CountDownLatch ended = new CountDownLatch(1);

    /** The call that the loop is in, for whoever has it next. */
    private DeviceCall present;

    private int madeCalls;
    private boolean isStarted;
    private int core = NO_CORE;
    private boolean staysOnCore;
    private volatile boolean sleeping;
    private volatile boolean stopping;
    private long lastWorkNanos = System.nanoTime();

    /**
     * A loop, not started yet.
     *
     * @param name of its thread
     * @param spinNanos how long to look for work before sleeping
     * @param errorHandler is told what the world outside did ({@link IOException}), and what
     *     handlers and tasks threw, which nobody foresaw: then an operation may be left half done,
     *     and one that waits for it waits for ever, so that it should end the process
     * @throws IOException where the process has no descriptor left
     */
    public NioLoop(final String name, final long spinNanos, final ErrorHandler errorHandler)
            throws IOException {
        this.name = name;
        this.spinNanos = spinNanos;
        this.errorHandler = errorHandler;
        selector = Selector.open();
    }

    /** Starts the loop's thread, on whatever core is free. */
    public void start() {
        isStarted = true;
        AWAKE.incrementAndGet();
        CallWatch.add(guard);
        new Thread(this::steer, name).start();
    }

    /**
     * Starts the loop's thread, with a core of its own. It stays there, and doesn't look for work,
     * while others of its kind have some, too: the scheduler then settles clients beside their
     * loops, and they wake each other without a word to another core. While it is alone it goes
     * where it is put, and looks: on its core it might be in the way of its client. For loops that
     * have all cores between them.
     *
     * @param index of one of {@link Cores}
     */
    public void startOnCore(final int index) {
        core = index;
        start();
    }

    private void startSuccessor(final long turn) {
        final Thread thread =
                new Thread(
                        () -> {
                            if (guard.take(turn)) {
                                takeOver();
                            }
                        },
                        name);
        thread.start();
    }

    /** The thread before stands still in a call. */
    private void takeOver() {
        staysOnCore = false; // this thread was never held to a core
        final DeviceCall left = present;
        run(() -> left.onLeft(true));
        for (int waiting = calls.size(); waiting > 0; waiting--) {
            final DeviceCall call = calls.poll();
            run(() -> call.onLeft(false));
        }
        steer();
    }

    /** Has the loop until it ends, or goes on without this thread. */
    private void steer() {
        guard.steeredBy(KernelThread.current());
        while (!stopping) {
            try {
                if (!makeCalls()) {
                    return;
                }
                doWork();
            } catch (final Throwable e) { // whatever it is, somebody must hear of it
                errorHandler.onError(new IllegalStateException("loop " + name + " fails", e));
            }
        }
        end();
    }

    /** Answers whether this thread still has the loop: otherwise it touches nothing any more. */
    private boolean makeCalls() {
        // Those that are there now, one of which may submit another.
        for (int waiting = calls.size(); waiting > 0; waiting--) {
            final DeviceCall call = calls.poll();
            present = call;
            madeCalls++;
            final long turn = guard.enter();
            CallWatch.onCall();
            Throwable thrown = null;
            try {
                call.make();
            } catch (final RuntimeException | Error e) {
                thrown = e;
            }
            final boolean hasLoop = guard.leave(turn);
            if (thrown != null) {
                errorHandler.onError(thrown);
            } else if (hasLoop) {
                onMade(call);
            } else {
                execute(call::onMade);
            }
            if (!hasLoop) {
                return false;
            }
        }
        return true;
    }

    private void onMade(final DeviceCall call) {
        try {
            call.onMade();
        } catch (final RuntimeException | Error e) {
            errorHandler.onError(e);
        }
    }

    private void doWork() throws IOException {
        int work = madeCalls + runTasks() + runTimers();
        madeCalls = 0;
        final long now = System.nanoTime();
        final int ready;
        if (work > 0 || (now - lastWorkNanos < spinNanos && mayLook())) {
            ready = selector.selectNow(onSelected);
        } else {
            ready = sleep(now);
        }
        work += ready;
        if (work > 0) {
            lastWorkNanos = System.nanoTime();
        }
        if (ready > 0 && core != NO_CORE) {
            settle(lastWorkNanos);
        }
    }

    private boolean mayLook() {
        return core == NO_CORE ? AWAKE.get() <= AWAKE_MAX : !staysOnCore;
    }

    private void settle(final long now) {
        if (lastAtWork != this) {
            lastAtWork = this;
            aloneSinceNanos = now;
        }
        final boolean shares = now - aloneSinceNanos < ALONE_NANOS;
        if (shares != staysOnCore) {
            staysOnCore = shares;
            if (shares) {
                Cores.useOnly(core);
            } else {
                Cores.useAll();
            }
        }
    }

    private int sleep(final long now) throws IOException {
        sleeping = true; // from here on execute() wakes the selector
        AWAKE.decrementAndGet();
        try {
            if (!tasks.isEmpty() || stopping) {
                return 0;
            }
            final LoopTimer next = timers.peek();
            if (next == null) {
                return selector.select(onSelected);
            }
            final long delayMs = TimeUnit.NANOSECONDS.toMillis(next.deadline - now) + 1;
            return selector.select(onSelected, Math.max(1, delayMs));
        } finally {
            awake();
        }
    }

    /** It is again, and nobody needs to wake it for a task: it looks for those next. */
    private void awake() {
        if (sleeping) {
            sleeping = false;
            AWAKE.incrementAndGet();
        }
    }

    /** Those that are there now: one that calls for itself again must not hold up the sockets. */
    private int runTasks() {
        final int there = Math.min(tasks.size(), TASKS_PER_CYCLE);
        int count = 0;
        while (count < there) {
            final Runnable task = tasks.poll();
            if (task == null) {
                break;
            }
            run(task);
            count++;
        }
        return count;
    }

    /** Those that are due now: what comes due meanwhile waits for the next cycle, and its turn. */
    private int runTimers() {
        LoopTimer next = timers.peek();
        if (next == null) {
            return 0;
        }
        final long now = System.nanoTime();
        int count = 0;
        while (next != null && (next.cancelled || next.deadline - now <= 0)) {
            timers.poll();
            if (!next.cancelled) {
                run(next.action);
                count++;
            }
            next = timers.peek();
        }
        return count;
    }

    private void run(final Runnable action) {
        try {
            action.run();
        } catch (final RuntimeException | Error e) {
            errorHandler.onError(e);
        }
    }

    private void onSelected(final SelectionKey key) {
        awake();
        if (!key.isValid()) {
            return; // the handler of another key that was ready too has closed it
        }
        if (key.attachment() instanceof ReadyHandler handler) {
            try {
                handler.onReady(key);
            } catch (final RuntimeException | Error e) {
                closeQuietly(key.channel()); // the others go on
                errorHandler.onError(e);
            }
        }
    }

    @Override
    public Listener listen(final Endpoint endpoint, final AcceptHandler handler)
            throws IOException {
        return NioListener.open(this, endpoint, handler);
    }

    @Override
    public void connect(final Endpoint endpoint, final ConnectHandler handler) {
        NioConnector.start(this, endpoint, handler);
    }

    /** Makes a connection of an accepted channel, on this loop's thread. */
    void adopt(final SocketChannel channel, final Function<Connection, ConnectionHandler> handler) {
        try {
            channel.configureBlocking(false);
            final SelectionKey key = channel.register(selector, 0);
            final NioConnection connection = connected(channel, key, null);
            connection.handle(handler.apply(connection));
        } catch (final IOException e) {
            closeQuietly(channel);
            errorHandler.onError(e);
        } catch (final OutOfMemoryError | LinkageError e) {
            // Its memory could not be had, or without a descriptor a class: nobody else misses it.
            closeQuietly(channel);
            errorHandler.onError(new IOException("a client could not be taken: " + e, e));
        } catch (final RuntimeException | Error e) {
            closeQuietly(channel);
            errorHandler.onError(e);
        }
    }

    /**
     * Takes a connection that was another loop's, on this loop's thread.
     *
     * @param whenFailed runs where it could not be had, and is closed
     */
    void take(
            final SocketChannel channel,
            final String peer,
            final Function<Connection, ConnectionHandler> handler,
            final Runnable whenFailed) {
        final NioConnection connection;
        try {
            connection = connected(channel, channel.register(selector, 0), peer);
        } catch (final IOException | OutOfMemoryError e) {
            closeQuietly(channel);
            errorHandler.onError(new IOException("a client could not be taken: " + e, e));
            whenFailed.run();
            return;
        }
        connection.handle(handler.apply(connection));
    }

    /**
     * Makes a connection of a channel that is connected, and registered here.
     *
     * @param peer what to call the other end; null for its address
     */
    NioConnection connected(final SocketChannel channel, final SelectionKey key, final String peer)
            throws IOException {
        setOptions(channel);
        key.interestOps(0);
        final NioConnection connection = new NioConnection(channel, key, peer, errorHandler);
        key.attach(connection);
        return connection;
    }

    private static void setOptions(final SocketChannel channel) throws IOException {
        if (channel.supportedOptions().contains(StandardSocketOptions.TCP_NODELAY)) {
            channel.setOption(StandardSocketOptions.TCP_NODELAY, true);
            keepAlive(channel);
        } else {
            // TCP finds its own size; a Unix socket keeps what it has, too little for long
            // payloads.
            channel.setOption(StandardSocketOptions.SO_SNDBUF, UNIX_SEND_LENGTH);
        }
    }

    /** A host that is gone, and owes nothing that would be sent again, is found out. */
    private static void keepAlive(final SocketChannel channel) throws IOException {
        channel.setOption(ExtendedSocketOptions.TCP_KEEPIDLE, KEEP_ALIVE_IDLE_SECONDS);
        channel.setOption(ExtendedSocketOptions.TCP_KEEPINTERVAL, KEEP_ALIVE_INTERVAL_SECONDS);
        channel.setOption(ExtendedSocketOptions.TCP_KEEPCOUNT, KEEP_ALIVE_COUNT);
        channel.setOption(StandardSocketOptions.SO_KEEPALIVE, true);
    }

    SelectionKey register(
            final SelectableChannel channel, final int operations, final ReadyHandler handler)
            throws IOException {
        return channel.register(selector, operations, handler);
    }

    void report(final Throwable error) {
        errorHandler.onError(error);
    }

    @Override
    public Timer schedule(final long delayNanos, final Runnable action) {
        final LoopTimer timer = new LoopTimer(System.nanoTime() + delayNanos, action);
        timers.add(timer);
        return timer;
    }

    @Override
    public void execute(final Runnable action) {
        tasks.offer(action);
        if (sleeping) {
            selector.wakeup();
        }
    }

    @Override
    public void call(final DeviceCall call) {
        calls.add(call);
    }

    /** Those must have been started, and end behind this one. */
    @Override
    public void whileStanding(final List<IoLoop> others, final Runnable action) {
        final StandingLoop[] standing = new StandingLoop[others.size()];
        for (int i = 0; i < standing.length; i++) {
            standing[i] = new StandingLoop();
            others.get(i).execute(standing[i]);
        }
        for (final StandingLoop loop : standing) {
            loop.await();
        }
        try {
            action.run();
        } finally {
            for (final StandingLoop loop : standing) {
                loop.release();
            }
        }
    }

    @Override
    public long nanoTime() {
        return System.nanoTime();
    }

    /**
     * Ends the loop's thread, waiting some seconds for it, and closes every socket. Not from the
     * loop's thread.
     */
    @Override
    public void close() {
        stopping = true;
        if (!isStarted) {
            closeSockets();
            return;
        }
        selector.wakeup();
        try {
            if (!ended.await(CLOSE_TIMEOUT_MS, TimeUnit.MILLISECONDS)) {
                final String sentence =
                        "loop " + name + " does not end: one of its handlers does not return";
                errorHandler.onError(new IOException(sentence)); // it ends without it
            }
        } catch (final InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private void end() {
        CallWatch.remove(guard);
        AWAKE.decrementAndGet();
        closeSockets();
        ended.countDown();
    }

    private void closeSockets() {
        for (final SelectionKey key : selector.keys()) {
            closeQuietly(key.channel());
        }
        try {
            selector.close();
        } catch (final IOException e) {
            errorHandler.onError(e);
        }
    }

    static void closeQuietly(final SelectableChannel channel) {
        if (channel != null) {
            try {
                channel.close();
            } catch (final IOException e) {
                // Nothing is lost: what was to be sent was sent, or the peer is told by the cut.
                return;
            }
        }
    }

    /** What a key's attachment does when its channel is ready. */
    interface ReadyHandler {
        void onReady(SelectionKey key);
    }

    /** One entry of the timer queue; a cancelled one is dropped when its time comes. */
    private static final class LoopTimer implements Timer {
        private final long deadline;
        private final Runnable action;
        private boolean cancelled;

        LoopTimer(final long deadline, final Runnable action) {
            this.deadline = deadline;
            this.action = action;
        }

        @Override
        public void cancel() {
            cancelled = true;
        }
    }
}
