package io.lockstep.interop;

/** What an acknowledgement of the primary's means: {@code --ack}. */
enum AcknowledgementLevel {
    LOCAL("local"),
    FLUSH("flush"),
    FLUSH_DURABLE("flush,durable"),
    WRITE("write"),
    WRITE_DURABLE("write,durable");

    private final String option;

    AcknowledgementLevel(final String option) {
        this.option = option;
    }

    /** As it is typed. */
    String option() {
        return option;
    }

    /** Whether an acknowledged flush outlives the primary. */
    boolean coversFlushes() {
        return this != LOCAL;
    }

    /** Whether an acknowledged write does, which nobody has flushed. */
    boolean coversWrites() {
        return this == WRITE || this == WRITE_DURABLE;
    }
}
