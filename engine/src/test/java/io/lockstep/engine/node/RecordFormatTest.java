package io.lockstep.engine.node;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.lockstep.engine.node.Nodes.Said;
import io.lockstep.engine.node.RecordFormat.Copy;

import org.junit.jupiter.api.Test;

import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.Collections;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;
import java.util.zip.CRC32C;

/** A record comes back as it was written, or not at all; so does what nodes tell each other. */
final class RecordFormatTest {
    private static Copy copy() {
        return new Copy(
                9,
                Nodes.standing(Standing.ALONE)
                        .draft()
                        .leftSession(Nodes.session(4))
                        .clean(true)
                        .merging(true)
                        .forced()
                        .former(Nodes.node(3))
                        .concession(new Concession(Nodes.node(2), Nodes.generation(4)))
                        .lineage(Nodes.lineage(-2, 1))
                        .record());
    }

    @Test
    void comesBackAsItWasWritten() {
        for (final Standing standing : Standing.values()) {
            final Copy written = new Copy(Long.MAX_VALUE, Nodes.standing(standing));
            assertEquals(Optional.of(written), RecordFormat.decode(RecordFormat.encode(written)));
        }
        assertEquals(Optional.of(copy()), RecordFormat.decode(RecordFormat.encode(copy())));
    }

    /** What other versions of this program read: any change of it needs another version number. */
    @Test
    void theBytesOfARecordAreThese() {
        assertEquals(
                ("4c535450 4e4f4445 00000003 00000105 44cfb3cc 0000000000000009 0000000000000001"
                     + " 0000000000000001 0000000000000007 0000000000000001 0000000000000001"
                     + " 0000000000000002 0000000000000003 0000000000000004 0000000000000008"
                     + " 0000000000000001 0000000000000001 0000000000000003 0000000000000001"
                     + " 0000000000000002 0000000000000002 0000000000000004 0000000000000019 05 07"
                     + " 0002 0000000000000002 0000000000000002 0000000000000014 0000000000001c20"
                     + " 0000000000000002 0000000000000001 000000000000000a 0000000000000e10"
                     + " 00000001 0001 0000000000100000 0003 766461 0008 696e6f6465203132")
                        .replace(" ", ""),
                HexFormat.of().formatHex(RecordFormat.encode(copy())));
        final List<String> standings =
                List.of("FRESH", "FOLLOWING", "INCONSISTENT", "OUTDATED", "REIGNING", "ALONE");
        for (int code = 0; code < standings.size(); code++) {
            final Standing standing = Standing.valueOf(standings.get(code));
            assertEquals(code, RecordFormat.encode(new Copy(1, Nodes.standing(standing)))[164]);
        }
    }

    @Test
    void oneThatIsCutShortIsNone() {
        final byte[] whole = RecordFormat.encode(copy());
        for (int length = 0; length < whole.length; length++) {
            assertEquals(
                    Optional.empty(),
                    RecordFormat.decode(Arrays.copyOf(whole, length)),
                    "" + length);
        }
    }

    @Test
    void oneWithAnyBitFlippedIsNone() {
        final byte[] whole = RecordFormat.encode(copy());
        for (int bit = 0; bit < 8 * whole.length; bit++) {
            whole[bit / 8] ^= (byte) (1 << bit % 8);
            assertEquals(Optional.empty(), RecordFormat.decode(whole), "bit " + bit);
            whole[bit / 8] ^= (byte) (1 << bit % 8);
        }
        assertTrue(RecordFormat.decode(whole).isPresent());
    }

    @Test
    void whatALongerOneLeftBehindItDoesNotCount() {
        final byte[] whole = RecordFormat.encode(copy());
        assertEquals(
                Optional.of(copy()), RecordFormat.decode(Arrays.copyOf(whole, whole.length + 100)));
    }

    /** Sums right, and says what can't be. */
    @Test
    void oneThatCannotBeIsNone() {
        final int standing = 164;
        final int flags = 165;
        final int generations = 166;
        final int secondName = 168 + 32;
        final int marks = 168 + 2 * 32;
        final byte[] other = {6, -1};
        for (final byte value : other) {
            assertEquals(Optional.empty(), RecordFormat.decode(with(standing, value)));
        }
        assertEquals(Optional.empty(), RecordFormat.decode(with(standing, (byte) 0)), "fresh");
        assertEquals(Optional.empty(), RecordFormat.decode(with(standing, (byte) 1)), "merging");
        assertEquals(Optional.empty(), RecordFormat.decode(with(flags, (byte) 32)));
        assertEquals(Optional.empty(), RecordFormat.decode(with(generations, (byte) -1)));
        assertEquals(Optional.empty(), RecordFormat.decode(with(generations + 1, (byte) 1)));
        assertEquals(
                Optional.empty(), RecordFormat.decode(with(secondName + 15, (byte) 2)), "twice");
        assertEquals(Optional.empty(), RecordFormat.decode(with(156, (byte) -1)), "epoch");
        assertEquals(Optional.empty(), RecordFormat.decode(with(marks + 3, (byte) 4)), "mark");
        assertEquals(Optional.empty(), RecordFormat.decode(with(28 + 15, (byte) 0)), "no name");
        final int length = RecordFormat.encode(copy()).length;
        assertEquals(Optional.empty(), RecordFormat.decode(with(length - 1, (byte) -1)), "UTF-8");
        assertEquals(Optional.empty(), RecordFormat.decode(with(length - 9, (byte) 9)), "longer");
        assertEquals(Optional.empty(), RecordFormat.decode(with(length - 9, (byte) 7)), "more");
    }

    private static byte[] with(final int at, final byte value) {
        final byte[] encoded = RecordFormat.encode(copy());
        if (at == 28 + 15) {
            encoded[28 + 7] = 0;
        }
        encoded[at] = value;
        final CRC32C sum = new CRC32C();
        sum.update(encoded, 20, encoded.length - 20);
        ByteBuffer.wrap(encoded).putInt(16, (int) sum.getValue());
        return encoded;
    }

    @Test
    void oneOfAnotherVersionIsTold() {
        final byte[] encoded = RecordFormat.encode(copy());
        assertEquals(3, RecordFormat.version(encoded));
        ByteBuffer.wrap(encoded).putInt(8, 4);
        assertEquals(Optional.empty(), RecordFormat.decode(encoded));
        assertEquals(4, RecordFormat.version(encoded));
        encoded[0] = 0;
        assertEquals(0, RecordFormat.version(encoded));
        assertEquals(0, RecordFormat.version(new byte[11]));
    }

    @Test
    void theLongestRecordHasRoom() {
        final List<DiskIdentity> disks =
                Collections.nCopies(
                        NodeRecord.DISKS_MAX,
                        new DiskIdentity(
                                "\u00e9".repeat(DiskIdentity.NAME_LENGTH_MAX / 2),
                                Long.MAX_VALUE,
                                "b".repeat(DiskIdentity.BACKING_LENGTH_MAX)));
        final NodeRecord record =
                NodeRecord.fresh(Nodes.node(1), Nodes.BOOT, disks)
                        .draft()
                        .group(Nodes.GROUP)
                        .lineage(Nodes.lineage(longest()))
                        .standing(Standing.REIGNING)
                        .record();
        final byte[] encoded = RecordFormat.encode(new Copy(1, record));
        assertTrue(encoded.length <= RecordFormat.LENGTH_MAX, "" + encoded.length);
        assertEquals(Optional.of(new Copy(1, record)), RecordFormat.decode(encoded));
    }

    private static long[] longest() {
        final long[] numbers = new long[Lineage.LENGTH_MAX];
        Arrays.setAll(numbers, i -> numbers.length - i);
        return numbers;
    }

    @Test
    void whatIsLongerIsRefusedBeforeItIsWritten() {
        final String name = "n".repeat(DiskIdentity.NAME_LENGTH_MAX + 1);
        assertThrows(IllegalArgumentException.class, () -> new DiskIdentity(name, 1, ""));
        assertThrows(IllegalArgumentException.class, () -> new DiskIdentity("", 1, ""));
        final List<DiskIdentity> disks =
                Collections.nCopies(NodeRecord.DISKS_MAX + 1, new DiskIdentity("vda", 1, ""));
        assertThrows(
                IllegalArgumentException.class,
                () -> NodeRecord.fresh(Nodes.node(1), Nodes.BOOT, disks));
    }

    // ---- What nodes tell each other.

    @Test
    void aSummaryComesBackAsItWasSaid() {
        for (final Said said :
                List.of(
                        new Said(1, Standing.FRESH).empty(),
                        new Said(1, Standing.FRESH).joining(),
                        new Said(1, Standing.ALONE, longest()).in(1).left(4),
                        new Said(1, Standing.OUTDATED, longest())
                                .concedes(2, 9)
                                .says(AfterSplitBrain.DISCARD_OLDER, Long.MAX_VALUE, true),
                        new Said(1, Standing.ALONE, 2, 1)
                                .says(AfterSplitBrain.DISCARD_SMALLER, 0, false),
                        new Said(1, Standing.FOLLOWING, 2, 1).in(5))) {
            final byte[] encoded = said.heard().encode();
            assertEquals(Summary.LENGTH, encoded.length);
            assertArrayEquals(encoded, Summary.decode(encoded).orElseThrow().encode());
        }
        final Summary said =
                Summary.of(Nodes.standing(Standing.FOLLOWING), 44, Nodes.session(1), 7, true);
        assertEquals(Optional.of(said), Summary.decode(said.encode()));
        assertEquals(44, said.committedEpoch());
        assertEquals(7, said.trackedEpoch());
    }

    @Test
    void theBytesOfASummaryAreThese() {
        final byte[] encoded =
                new Said(1, Standing.OUTDATED, -2, 1)
                        .in(5)
                        .concedes(2, 9)
                        .says(AfterSplitBrain.DISCARD_SMALLER, 300, true)
                        .heard()
                        .encode();
        assertEquals(
                ("0000000000000001 0000000000000001 0000000000000007 0000000000000001"
                     + " 0000000000000001 0000000000000063 0000000000000003 0000000000000005"
                     + " 0000000000000000 0000000000000000 0000000000000001 0000000000000002"
                     + " 0000000000000002 0000000000000009 000000000000001e ffffffffffffffff"
                     + " 0000000000000011 000000000000012c 03 04 02 00 0002 0000000000000002"
                     + " 0000000000000002 0000000000000014 0000000000001c20 0000000000000002"
                     + " 0000000000000001 000000000000000a 0000000000000e10 00000001")
                        .replace(" ", ""),
                HexFormat.of().formatHex(encoded, 0, 218));
        assertArrayEquals(new byte[Summary.LENGTH - 218], Arrays.copyOfRange(encoded, 218, 1216));
    }

    @Test
    void aSummaryThatCannotBeIsNone() {
        final byte[] encoded = new Said(1, Standing.ALONE, 2, 1).heard().encode();
        assertEquals(Optional.empty(), Summary.decode(Arrays.copyOf(encoded, 1215)));
        assertEquals(Optional.empty(), Summary.decode(Arrays.copyOf(encoded, 1217)));
        assertEquals(Optional.empty(), Summary.decode(new byte[Summary.LENGTH]));
        final int standing = 144;
        for (final byte value : new byte[] {0, 6, -1}) {
            final byte[] other = encoded.clone();
            other[standing] = value;
            assertEquals(Optional.empty(), Summary.decode(other));
        }
        for (final int at :
                new int[] {standing + 1, standing + 2, standing + 3, 112, 120, 128, 136}) {
            final byte[] other = encoded.clone();
            other[at] = -2;
            assertEquals(Optional.empty(), Summary.decode(other), "" + at);
        }
        final byte[] halfConceded = encoded.clone();
        halfConceded[80] = 1;
        assertEquals(Optional.empty(), Summary.decode(halfConceded));
        // A time that no calendar has: sentences are made of it.
        ByteBuffer.wrap(encoded).putLong(standing + 6 + 24, Long.MAX_VALUE);
        assertEquals(Optional.empty(), Summary.decode(encoded));
    }
}
