package io.lockstep.engine.tracking;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** Memory for a map that goes with the process; all of it is there. */
record ProcessSpace(MemorySegment memory) implements ChangeMap.Space {
    ProcessSpace(final long length) {
        this(Arena.ofAuto().allocate(length, Long.BYTES));
    }

    /** A longer one, with what another one has. */
    ProcessSpace(final ChangeMap.Space shorter, final long length) {
        this(length);
        memory.copyFrom(shorter.memory());
    }

    @Override
    public boolean isAllocated(final long offset) {
        return true;
    }

    @Override
    public int allocate(final long offset, final long length) {
        return 0;
    }
}
