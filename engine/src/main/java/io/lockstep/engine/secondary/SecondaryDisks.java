package io.lockstep.engine.secondary;

import io.lockstep.engine.disk.Disk;
import io.lockstep.engine.group.GroupStatus;
import io.lockstep.engine.group.ReplicationGroup;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BiConsumer;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.Predicate;
import java.util.function.ToLongFunction;

/** The disks of a secondary, as what is done with all of them. On the group's loop. */
final class SecondaryDisks {
    private final List<SecondaryDisk> disks = new ArrayList<>();

    /** Refuses disks one of which can't be written. */
    static void requireWritable(final List<Disk> locals) throws IOException {
        for (final Disk disk : locals) {
            if (disk.isReadOnly()) {
                throw new IOException(
                        "disk " + disk.name() + " is read-only; a secondary writes it");
            }
        }
    }

    void add(final SecondaryDisk disk) {
        disks.add(disk);
    }

    SecondaryDisk get(final int number) {
        return disks.get(number);
    }

    List<SecondaryDisk> list() {
        return List.copyOf(disks);
    }

    void forEach(final Consumer<SecondaryDisk> action) {
        disks.forEach(action);
    }

    <T> List<T> map(final Function<SecondaryDisk, T> function) {
        return disks.stream().map(function).toList();
    }

    boolean all(final Predicate<SecondaryDisk> condition) {
        return disks.stream().allMatch(condition);
    }

    long sum(final ToLongFunction<SecondaryDisk> value) {
        return disks.stream().mapToLong(value).sum();
    }

    private long minimum(final ToLongFunction<SecondaryDisk> value) {
        return disks.stream().mapToLong(value).min().orElse(0);
    }

    /** Has all of them do something; the action runs when the last has. */
    void forEachThen(
            final BiConsumer<SecondaryDisk, Runnable> operation, final Runnable whenAllHave) {
        final AtomicInteger left = new AtomicInteger(disks.size());
        for (final SecondaryDisk disk : disks) {
            operation.accept(
                    disk,
                    () -> {
                        if (left.decrementAndGet() == 0) {
                            whenAllHave.run();
                        }
                    });
        }
    }

    /** Flushes all; answers whether all of them are. */
    void flush(final Consumer<Boolean> whenFlushed) {
        final AtomicBoolean isDone = new AtomicBoolean(true);
        forEachThen(
                (disk, whenDone) ->
                        disk.flush(
                                errno -> {
                                    isDone.compareAndSet(true, errno == 0);
                                    whenDone.run();
                                }),
                () -> whenFlushed.accept(isDone.get()));
    }

    /** The epoch that writes belong to. */
    long openEpoch() {
        return disks.getFirst().openEpoch();
    }

    /** The last epoch that is sealed on every disk. */
    long sealedEpoch() {
        return minimum(SecondaryDisk::sealedEpoch);
    }

    /**
     * All go on in one epoch: behind what any of them has sealed, and behind another one.
     *
     * @param most behind which they go on at most; of one that was sealed behind it nothing has
     *     come, and it is open again
     * @return the last epoch before it
     */
    long goOnTogether(final long epoch, final long most) {
        final long sealed =
                disks.stream().mapToLong(SecondaryDisk::openEpoch).max().orElseThrow() - 1;
        final long last = Math.min(Math.max(sealed, epoch), most);
        for (final SecondaryDisk disk : disks) {
            if (disk.openEpoch() != last + 1) {
                disk.goOnBehind(last);
            }
        }
        return last;
    }

    /** Which of them there are, and have data; it was found of one of several. */
    String namesWithData() {
        return disks.size() == 1
                ? "disk " + disks.getFirst().name() + " has data"
                : "one of the disks " + String.join(", ", map(SecondaryDisk::name)) + " has data";
    }

    void deleteBuffers() throws IOException {
        for (final SecondaryDisk disk : disks) {
            disk.deleteBuffers();
        }
    }

    GroupStatus status(final SecondaryGroup group, final GroupStatus.State state) {
        final SecondarySession session = group.session();
        final long committedEpoch = group.committedEpoch();
        final boolean hasBuffers = group.hasBuffers();
        return new GroupStatus(
                ReplicationGroup.Role.SECONDARY,
                state,
                session.isLinked() ? session.toString() : "",
                session.isLinked(),
                0,
                group.succession().refusalOfPrimaries(),
                hasBuffers ? minimum(SecondaryDisk::openEpoch) : committedEpoch,
                hasBuffers ? sealedEpoch() : committedEpoch,
                committedEpoch,
                group.durability().epoch(),
                GroupStatus.Acknowledging.LOCAL,
                0,
                0,
                hasBuffers ? sum(SecondaryDisk::bufferUsed) : 0,
                hasBuffers ? sum(SecondaryDisk::bufferLimit) : 0,
                sum(SecondaryDisk::mergeDone),
                sum(SecondaryDisk::mergeTotal),
                map(disk -> disk.status(hasBuffers)));
    }
}
