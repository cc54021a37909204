package io.lockstep.engine.group;

import io.lockstep.engine.node.Id;
import io.lockstep.nbd.Nbd;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.security.GeneralSecurityException;

import javax.crypto.Cipher;
import javax.crypto.spec.IvParameterSpec;
import javax.crypto.spec.SecretKeySpec;

/**
 * Hashes pieces of a disk, to be compared with those of its copy: 128 bits for each {@value
 * #PIECE_LENGTH} bytes. Whatever two pieces hold, if they differ their hashes are equal with a
 * probability of at most 2<sup>-64</sup>, over the keys: it is the universal hash NH of words of 64
 * bits. The key is made of the session's random name, which no guest knows; both sides have it. Of
 * a disk of 16 TiB that differs everywhere a difference is overlooked with 2<sup>-36</sup>.
 *
 * <p>Immutable; any thread. Source: J. Black, S. Halevi, H. Krawczyk, T. Krovetz, P. Rogaway,
 * "UMAC: Fast and Secure Message Authentication", CRYPTO '99, section 4.
 */
public final class PieceHash {
    /** Bytes of a piece; the disk's last one may be shorter, and counts as if zeroes followed. */
    public static final int PIECE_LENGTH = Nbd.CONTROL_PIECE_LENGTH;

    /** Bytes of a hash. */
    public static final int LENGTH = Nbd.CONTROL_HASH_LENGTH;

    private static final int WORDS = PIECE_LENGTH / Long.BYTES;
    private static final ValueLayout.OfLong WORD =
            ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private final long[] keys = new long[WORDS];

    /** With the key that a session's name makes. */
    public PieceHash(final Id session) {
        final byte[] key =
                ByteBuffer.allocate(2 * Long.BYTES)
                        .putLong(session.high())
                        .putLong(session.low())
                        .array();
        try {
            final Cipher cipher = Cipher.getInstance("AES/CTR/NoPadding");
            cipher.init(
                    Cipher.ENCRYPT_MODE,
                    new SecretKeySpec(key, "AES"),
                    new IvParameterSpec(new byte[2 * Long.BYTES]));
            ByteBuffer.wrap(cipher.doFinal(new byte[PIECE_LENGTH])).asLongBuffer().get(keys);
        } catch (final GeneralSecurityException e) {
            throw new IllegalStateException("every Java has AES", e);
        }
    }

    /** How many pieces a range has that begins with one, in bytes. */
    public static int pieces(final long length) {
        return Math.toIntExact((length + PIECE_LENGTH - 1) / PIECE_LENGTH);
    }

    /**
     * Hashes a range, piece by piece.
     *
     * @param from the bytes
     * @param length of them, in bytes
     * @param into where the hashes go, one behind the other
     */
    public void hash(
            final MemorySegment from,
            final long position,
            final long length,
            final MemorySegment into,
            final long intoPosition) {
        for (int piece = 0; piece < pieces(length); piece++) {
            final long start = (long) piece * PIECE_LENGTH;
            hashPiece(
                    from,
                    position + start,
                    (int) Math.min(PIECE_LENGTH, length - start),
                    into,
                    intoPosition + (long) piece * LENGTH);
        }
    }

    private void hashPiece(
            final MemorySegment from,
            final long position,
            final int length,
            final MemorySegment into,
            final long at) {
        if (length == PIECE_LENGTH) {
            hashWhole(from, position, into, at);
        } else {
            hashPart(from, position, length, into, at);
        }
    }

    /** As {@link #hashPart}, for nearly all pieces: two sums, neither of which waits for itself. */
    private void hashWhole(
            final MemorySegment from,
            final long position,
            final MemorySegment into,
            final long at) {
        final MemorySegment piece = from.asSlice(position, PIECE_LENGTH);
        long low = 0;
        long high = 0;
        long otherLow = 0;
        long otherHigh = 0;
        for (int word = 0; word < WORDS; word += 4) {
            final long start = (long) word * Long.BYTES;
            final long a = keys[word] + piece.get(WORD, start);
            final long b = keys[word + 1] + piece.get(WORD, start + Long.BYTES);
            final long c = keys[word + 2] + piece.get(WORD, start + 2 * Long.BYTES);
            final long d = keys[word + 3] + piece.get(WORD, start + 3 * Long.BYTES);
            final long product = a * b;
            final long otherProduct = c * d;
            low += product;
            otherLow += otherProduct;
            high += Math.unsignedMultiplyHigh(a, b) + carry(low, product);
            otherHigh += Math.unsignedMultiplyHigh(c, d) + carry(otherLow, otherProduct);
        }
        low += otherLow;
        high += otherHigh + carry(low, otherLow);
        into.set(WORD, at, low);
        into.set(WORD, at + Long.BYTES, high);
    }

    /** Of a sum modulo 2<sup>64</sup>, and one of the two that were added. */
    private static long carry(final long sum, final long one) {
        return Long.compareUnsigned(sum, one) < 0 ? 1 : 0;
    }

    private void hashPart(
            final MemorySegment from,
            final long position,
            final int length,
            final MemorySegment into,
            final long at) {
        long low = 0;
        long high = 0;
        for (int word = 0; word < WORDS; word += 2) {
            final long one = keys[word] + word(from, position, word, length);
            final long other = keys[word + 1] + word(from, position, word + 1, length);
            final long product = one * other;
            low += product;
            high += Math.unsignedMultiplyHigh(one, other) + carry(low, product);
        }
        into.set(WORD, at, low);
        into.set(WORD, at + Long.BYTES, high);
    }

    /** A word of a piece; behind the disk's end there are zeroes. */
    private static long word(
            final MemorySegment from, final long position, final int word, final int length) {
        final int start = word * Long.BYTES;
        if (start + Long.BYTES <= length) {
            return from.get(WORD, position + start);
        }
        long value = 0;
        for (int i = start; i < length; i++) {
            value |=
                    (from.get(ValueLayout.JAVA_BYTE, position + i) & 0xffL)
                            << (i - start) * Byte.SIZE;
        }
        return value;
    }

    /** The hashes of zeroes, as {@link #hash} makes them. */
    public void hashZeroes(final long length, final MemorySegment into, final long intoPosition) {
        long low = 0;
        long high = 0;
        for (int word = 0; word < WORDS; word += 2) {
            final long product = keys[word] * keys[word + 1];
            low += product;
            high += Math.unsignedMultiplyHigh(keys[word], keys[word + 1]) + carry(low, product);
        }
        for (int piece = 0; piece < pieces(length); piece++) {
            into.set(WORD, intoPosition + (long) piece * LENGTH, low);
            into.set(WORD, intoPosition + (long) piece * LENGTH + Long.BYTES, high);
        }
    }
}
