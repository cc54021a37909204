package io.lockstep.engine.tracking;

import io.lockstep.engine.node.Id;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import java.util.zip.CRC32C;

/**
 * What is on stable storage of a tracking beside its maps, and counts after the loss of power: who
 * lacks no more than the maps have from a filling on, and the regions in which more may have
 * changed. A copy that is not whole is told by its sum.
 *
 * <pre>
 * 0   8  what it is
 * 8   4  length of all
 * 12  4  CRC-32C of all that follows
 * 16  8  number of the record: of two copies the higher one counts
 * 24  8  the disks, see {@link Tracking}
 * 32 16  peer; none where nothing is known
 * 48  8  epoch behind which what was changed is in maps and regions
 * 56  8  no later epoch can have been sealed
 * 64  4  whether the peer's own notes come on top
 * 68  4  disks, 72 4 hot regions, 76 4 suspect regions
 * 80     a filling each, 8; then the regions' numbers, 4 each
 * </pre>
 *
 * @param sequence the number of the record
 * @param disks what the disks are, as {@link Tracking} says it in a number
 * @param knowledge what it says of a peer
 * @param fillings of each disk's map, the newer one's
 * @param hot regions that are written to
 * @param suspect regions that were hot when the power failed, and were not compared since
 */
record ActivityRecord(
        long sequence,
        long disks,
        Knowledge knowledge,
        List<Long> fillings,
        List<Integer> hot,
        List<Integer> suspect) {
    /** More regions than this there are not in one. */
    static final int REGIONS_MAX = 4 * ActivityLimits.HOT_MAX;

    private static final long MAGIC = 0x4c4f_434b_4143_5432L; // "LOCKACT2"
    private static final int AT_LENGTH = 8;
    private static final int AT_SUM = 12;
    private static final int AT_BODY = 16;
    private static final int HEADER_LENGTH = 80;

    /**
     * Who lacks no more than what is noted.
     *
     * @param peer none where nothing is known
     * @param base the epoch behind which what was changed is noted
     * @param sealed no later epoch can have been sealed
     * @param isWithoutTail whether the peer's own notes come on top
     */
    record Knowledge(Id peer, long base, long sealed, boolean isWithoutTail) {
        static final Knowledge NONE = new Knowledge(Id.NONE, 0, 0, false);
    }

    byte[] encode() {
        final int length =
                HEADER_LENGTH
                        + fillings.size() * Long.BYTES
                        + (hot.size() + suspect.size()) * Integer.BYTES;
        final ByteBuffer bytes = ByteBuffer.allocate(length).order(ByteOrder.LITTLE_ENDIAN);
        bytes.putLong(MAGIC).putInt(length).putInt(0).putLong(sequence).putLong(disks);
        bytes.putLong(knowledge.peer.high()).putLong(knowledge.peer.low());
        bytes.putLong(knowledge.base).putLong(knowledge.sealed);
        bytes.putInt(knowledge.isWithoutTail ? 1 : 0).putInt(fillings.size());
        bytes.putInt(hot.size()).putInt(suspect.size());
        for (final long filling : fillings) {
            bytes.putLong(filling);
        }
        for (final int region : hot) {
            bytes.putInt(region);
        }
        for (final int region : suspect) {
            bytes.putInt(region);
        }
        bytes.putInt(AT_SUM, sum(bytes, length));
        return bytes.array();
    }

    /** What a copy holds; empty where it is not whole, or none. */
    static Optional<ActivityRecord> decode(final byte[] copy) {
        final ByteBuffer bytes = ByteBuffer.wrap(copy).order(ByteOrder.LITTLE_ENDIAN);
        if (copy.length < HEADER_LENGTH || bytes.getLong(0) != MAGIC) {
            return Optional.empty();
        }
        final int length = bytes.getInt(AT_LENGTH);
        if (length < HEADER_LENGTH
                || length > copy.length
                || bytes.getInt(AT_SUM) != sum(bytes, length)) {
            return Optional.empty();
        }
        bytes.position(AT_BODY);
        final long sequence = bytes.getLong();
        final long disks = bytes.getLong();
        final Id peer = new Id(bytes.getLong(), bytes.getLong());
        final long base = bytes.getLong();
        final long sealed = bytes.getLong();
        final boolean isWithoutTail = bytes.getInt() != 0;
        final int diskCount = bytes.getInt();
        final int hotCount = bytes.getInt();
        final int suspectCount = bytes.getInt();
        return Optional.of(
                new ActivityRecord(
                        sequence,
                        disks,
                        new Knowledge(peer, base, sealed, isWithoutTail),
                        Stream.generate(bytes::getLong).limit(diskCount).toList(),
                        Stream.generate(bytes::getInt).limit(hotCount).toList(),
                        Stream.generate(bytes::getInt).limit(suspectCount).toList()));
    }

    private static int sum(final ByteBuffer bytes, final int length) {
        final CRC32C sum = new CRC32C();
        sum.update(bytes.slice(AT_BODY, length - AT_BODY));
        return (int) sum.getValue();
    }
}
