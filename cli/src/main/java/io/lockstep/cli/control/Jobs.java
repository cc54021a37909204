package io.lockstep.cli.control;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * The jobs that managers see, whoever has them: each place that has some is asked for those that it
 * has at the moment. On the group's loop.
 */
final class Jobs {
    /** Has jobs. */
    interface Place {
        /** Those that it has at the moment. */
        List<ManagedJob> jobs();
    }

    private final List<Place> places = new ArrayList<>();

    /** One more place has jobs; before there are clients. */
    void add(final Place place) {
        places.add(place);
    }

    List<ManagedJob> all() {
        return places.stream().flatMap(place -> place.jobs().stream()).toList();
    }

    Optional<ManagedJob> find(final String id) {
        return all().stream().filter(job -> job.id().equals(id)).findFirst();
    }
}
