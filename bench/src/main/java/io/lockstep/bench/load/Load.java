package io.lockstep.bench.load;

import io.lockstep.bench.report.Measurement;

import java.io.IOException;

/** A program that puts a load on an NBD server and measures it from the client's side. */
public interface Load {
    /** Its name in the tables. */
    String name();

    /**
     * Puts one kind of load on a server for some time.
     *
     * @param uri the export
     * @return the measurement, but for the processor time
     */
    Measurement run(String uri, Cell cell, double seconds) throws IOException, InterruptedException;
}
