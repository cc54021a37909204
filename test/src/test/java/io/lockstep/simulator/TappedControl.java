package io.lockstep.simulator;

import io.lockstep.engine.disk.Disk;
import io.lockstep.engine.group.ControlRecord;
import io.lockstep.engine.server.ControlSpace;
import io.lockstep.engine.server.ServedExport;

import java.lang.foreign.MemorySegment;

/** The control space of a secondary disk, which listens to the seals. */
record TappedControl(ControlSpace control, StreamTap tap) implements ControlSpace {
    /** An export that does as another does, and is listened to. */
    static ServedExport export(final ServedExport served, final StreamTap tap) {
        return new ServedExport(
                served.export(),
                tap.on(served.disk()),
                served.loop(),
                new TappedControl(served.control(), tap),
                served.policy(),
                served.counters());
    }

    @Override
    public void read(
            final long offset,
            final int length,
            final MemorySegment into,
            final long position,
            final Disk.Completion completion,
            final long token) {
        control.read(offset, length, into, position, completion, token);
    }

    @Override
    public void write(
            final Client client,
            final int offset,
            final int length,
            final MemorySegment from,
            final long position,
            final Disk.Completion completion,
            final long token) {
        if (length == ControlRecord.LENGTH
                && ControlRecord.isValid(from, position)
                && ControlRecord.kind(from, position) == ControlRecord.SEAL
                && control.mayChange(client)) {
            tap.seal(ControlRecord.epoch(from, position));
        }
        control.write(client, offset, length, from, position, completion, token);
    }

    @Override
    public String reason() {
        return control.reason();
    }

    @Override
    public boolean mayChange(final Client client) {
        return control.mayChange(client);
    }

    @Override
    public String refusal() {
        return control.refusal();
    }

    @Override
    public void onEnding(final Client client) {
        control.onEnding(client);
    }

    @Override
    public void onGone(final Client client) {
        control.onGone(client);
    }
}
