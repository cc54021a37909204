package io.lockstep.engine.disk;

import java.util.ArrayList;
import java.util.List;
import java.util.function.IntFunction;

/**
 * The operations of a disk, which are used again and again: as many as were ever under way at a
 * time, each with a number that stands for it in tokens. Single threaded; allocates nothing once it
 * has grown.
 *
 * @param <T> what the disk keeps of an operation
 */
public final class OperationPool<T> {
    private final IntFunction<T> make;
    private final List<T> all = new ArrayList<>();
    private final List<T> free = new ArrayList<>();

    /**
     * None yet.
     *
     * @param make makes the operation of a number
     */
    public OperationPool(final IntFunction<T> make) {
        this.make = make;
    }

    /** One that is not in use, as it was given back: the last first, which caches still hold. */
    public T take() {
        if (free.isEmpty()) {
            final T made = make.apply(all.size());
            all.add(made);
            return made;
        }
        return free.removeLast();
    }

    /** The operation of a number. */
    public T get(final long number) {
        return all.get((int) number);
    }

    /** Gives one back that {@link #take} answered. */
    public void give(final T operation) {
        free.add(operation);
    }
}
