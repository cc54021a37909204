package io.lockstep.bench.compare;

import io.lockstep.bench.load.EagerGuest;
import io.lockstep.bench.report.Measurement;

import java.io.IOException;

/**
 * What one load on one peer came to, in one round.
 *
 * @param writes each with the flush behind it, where there is one; the time in which the secondary
 *     gets what it lacks at the end counts against the rate
 * @param flushes by themselves: latencies alone
 */
record FlushOutcome(Measurement writes, Measurement flushes) {
    /** Measures one; the checkpoint behind it is outside of the time. */
    static FlushOutcome measure(
            final FlushSubject subject,
            final FlushLoad load,
            final long area,
            final double seconds,
            final long seed)
            throws IOException, InterruptedException {
        final double cpuBefore = subject.cpuMicros();
        try (EagerGuest guest = load.guest(area, seconds, seed)) {
            final Measurement writes = guest.run(subject.guestUri());
            final long end = System.nanoTime();
            subject.drain();
            final double drained = (System.nanoTime() - end) / 1e9;
            final double cpu = (subject.cpuMicros() - cpuBefore) / guest.requests();
            subject.settle();
            final double share = guest.seconds() / (guest.seconds() + drained);
            return new FlushOutcome(writes.scaled(share).withCpu(cpu), guest.flushes());
        }
    }
}
