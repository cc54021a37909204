package io.lockstep.engine.node;

import java.nio.BufferUnderflowException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.zip.CRC32C;

/**
 * The state record as bytes. Stateless. Numbers are in network byte order:
 *
 * <pre>
 *  0  8  magic "LSTPNODE"
 *  8  4  version, 3
 * 12  4  length of all of it
 * 16  4  CRC-32C of all that follows
 * 20  8  sequence: the higher of two copies is the newer one
 * 28 16  node
 * 44 16  group
 * 60 16  peer
 * 76 16  left session
 * 92 16  boot
 * 108 16 former
 * 124 32 concession: the peer, its generation; zeroes for none
 * 156 8  committed epoch
 * 164 1  standing
 * 165 1  flags: 1 clean, 2 merging, 4 forced, 8 peer out, 16 joining
 * 166 2  number of generations: 16 bytes of name, 8 of origin, 8 of time each
 *     4  a bit for each of them, the newest one's the lowest: 1 where it began from no checkpoint
 *     2  number of disks: length 8; name 2 and its bytes; backing 2 and its bytes
 * </pre>
 */
public final class RecordFormat {
    /** The longest record: what all disks' names and all generations come to. */
    public static final int LENGTH_MAX = 2 << 20;

    private static final long MAGIC = 0x4c53_5450_4e4f_4445L;

    /** The version that is written, and alone read. */
    public static final int VERSION = 3;

    private static final int AT_VERSION = 8;
    private static final int AT_LENGTH = 12;
    private static final int AT_SUM = 16;
    private static final int AT_BODY = 20;
    private static final int CLEAN = 1;
    private static final int MERGING = 2;
    private static final int FORCED = 4;
    private static final int PEER_OUT = 8;
    private static final int JOINING = 16;
    private static final int FLAGS = CLEAN | MERGING | FORCED | PEER_OUT | JOINING;

    private RecordFormat() {}

    /**
     * A record with its number, as it is stored.
     *
     * @param sequence of two copies the one with the higher number is the newer
     */
    public record Copy(long sequence, NodeRecord record) {}

    /** Writes one. */
    public static byte[] encode(final Copy copy) {
        final NodeRecord record = copy.record();
        final ByteBuffer bytes = ByteBuffer.allocate(LENGTH_MAX);
        bytes.putLong(MAGIC).putInt(VERSION).putInt(0).putInt(0).putLong(copy.sequence());
        put(bytes, record.node());
        put(bytes, record.group());
        put(bytes, record.peer());
        put(bytes, record.leftSession());
        put(bytes, record.boot());
        put(bytes, record.former());
        put(bytes, record.concession());
        bytes.putLong(record.committedEpoch());
        bytes.put(record.standing().code());
        bytes.put(
                (byte)
                        ((record.isClean() ? CLEAN : 0)
                                | (record.isMerging() ? MERGING : 0)
                                | (record.isForced() ? FORCED : 0)
                                | (record.isPeerOut() ? PEER_OUT : 0)
                                | (record.isJoining() ? JOINING : 0)));
        putLineage(bytes, record.lineage());
        bytes.putShort((short) record.disks().size());
        for (final DiskIdentity disk : record.disks()) {
            bytes.putLong(disk.length());
            put(bytes, disk.name());
            put(bytes, disk.backing());
        }
        final int length = bytes.position();
        bytes.putInt(AT_LENGTH, length).putInt(AT_SUM, sum(bytes, length));
        final byte[] encoded = new byte[length];
        bytes.get(0, encoded);
        return encoded;
    }

    /** Reads one; empty where these bytes are none: torn, of another version, or something else. */
    public static Optional<Copy> decode(final byte[] encoded) {
        final ByteBuffer bytes = ByteBuffer.wrap(encoded);
        if (encoded.length < AT_BODY
                || bytes.getLong(0) != MAGIC
                || bytes.getInt(AT_VERSION) != VERSION
                || bytes.getInt(AT_LENGTH) < AT_BODY
                || bytes.getInt(AT_LENGTH) > encoded.length
                || bytes.getInt(AT_SUM) != sum(bytes, bytes.getInt(AT_LENGTH))) {
            return Optional.empty();
        }
        try {
            return Optional.of(body(bytes.limit(bytes.getInt(AT_LENGTH)).position(AT_BODY)));
        } catch (final BufferUnderflowException
                | IllegalArgumentException
                | CharacterCodingException e) {
            return Optional.empty(); // whole, and yet no record: nothing of it is trusted
        }
    }

    /**
     * The version that these bytes say they are of: also one that can't be read here, which is no
     * torn copy but another program's.
     *
     * @return 0 where they are no record at all
     */
    public static int version(final byte[] encoded) {
        final ByteBuffer bytes = ByteBuffer.wrap(encoded);
        return encoded.length >= AT_LENGTH && bytes.getLong(0) == MAGIC
                ? bytes.getInt(AT_VERSION)
                : 0;
    }

    private static Copy body(final ByteBuffer bytes) throws CharacterCodingException {
        final long sequence = bytes.getLong();
        final Id node = id(bytes);
        final Id group = id(bytes);
        final Id peer = id(bytes);
        final Id left = id(bytes);
        final Id boot = id(bytes);
        final Id former = id(bytes);
        final Concession concession = concession(bytes);
        final long committed = bytes.getLong();
        final Standing standing = Standing.of(bytes.get());
        final int flags = bytes.get();
        final Lineage lineage = lineage(bytes);
        final int diskCount = Short.toUnsignedInt(bytes.getShort());
        final List<DiskIdentity> disks = new ArrayList<>();
        for (int i = 0; i < diskCount; i++) {
            final long length = bytes.getLong();
            disks.add(new DiskIdentity(text(bytes), length, text(bytes)));
        }
        if (bytes.hasRemaining() || (flags & ~FLAGS) != 0) {
            throw new IllegalArgumentException("more than a record");
        }
        return new Copy(
                sequence,
                new NodeRecord(
                        node,
                        group,
                        peer,
                        standing,
                        lineage,
                        committed,
                        left,
                        (flags & CLEAN) != 0,
                        (flags & MERGING) != 0,
                        (flags & FORCED) != 0,
                        (flags & PEER_OUT) != 0,
                        (flags & JOINING) != 0,
                        concession,
                        boot,
                        former,
                        disks));
    }

    private static int sum(final ByteBuffer bytes, final int length) {
        final CRC32C sum = new CRC32C();
        sum.update(bytes.slice(AT_BODY, length - AT_BODY));
        return (int) sum.getValue();
    }

    /** Writes a lineage: also where nodes tell each other of theirs. */
    static void putLineage(final ByteBuffer bytes, final Lineage lineage) {
        bytes.putShort((short) lineage.reigns().size());
        for (final Reign reign : lineage.reigns()) {
            put(bytes, reign.generation());
            bytes.putLong(reign.origin()).putLong(reign.began());
        }
        int torn = 0;
        for (int i = 0; i < lineage.reigns().size(); i++) {
            torn |= lineage.reigns().get(i).isTorn() ? 1 << i : 0;
        }
        bytes.putInt(torn);
    }

    /**
     * Reads a lineage.
     *
     * @throws IllegalArgumentException where it is none
     */
    static Lineage lineage(final ByteBuffer bytes) {
        final int count = Short.toUnsignedInt(bytes.getShort());
        if (count > Lineage.LENGTH_MAX) {
            throw new IllegalArgumentException("a lineage of " + count + " generations");
        }
        final List<Reign> reigns = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            reigns.add(new Reign(id(bytes), bytes.getLong(), bytes.getLong()));
        }
        final int torn = bytes.getInt();
        if (count < Integer.SIZE && torn >>> count != 0) {
            throw new IllegalArgumentException("more marks than generations");
        }
        for (int i = 0; i < count; i++) {
            if ((torn & 1 << i) != 0) {
                reigns.set(i, reigns.get(i).torn());
            }
        }
        return new Lineage(reigns);
    }

    static void put(final ByteBuffer bytes, final Id id) {
        bytes.putLong(id.high()).putLong(id.low());
    }

    /** Writes one: also where nodes tell each other of theirs. */
    static void put(final ByteBuffer bytes, final Concession concession) {
        put(bytes, concession.peer());
        put(bytes, concession.generation());
    }

    /**
     * Reads one.
     *
     * @throws IllegalArgumentException where it is none
     */
    static Concession concession(final ByteBuffer bytes) {
        return new Concession(id(bytes), id(bytes));
    }

    static Id id(final ByteBuffer bytes) {
        return new Id(bytes.getLong(), bytes.getLong());
    }

    private static void put(final ByteBuffer bytes, final String text) {
        final byte[] encoded = text.getBytes(StandardCharsets.UTF_8);
        bytes.putShort((short) encoded.length).put(encoded);
    }

    private static String text(final ByteBuffer bytes) throws CharacterCodingException {
        final int length = Short.toUnsignedInt(bytes.getShort());
        if (length > bytes.remaining()) {
            throw new BufferUnderflowException();
        }
        final String text =
                StandardCharsets.UTF_8
                        .newDecoder()
                        .decode(bytes.slice(bytes.position(), length))
                        .toString();
        bytes.position(bytes.position() + length);
        return text;
    }
}
