package io.lockstep.interop;

import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.EnumSource;

import java.util.Arrays;

/** {@code lockstep serve} under fio's nbd engine, which checks a checksum in each block. */
@ParameterizedClass
@EnumSource(Rig.Place.class)
final class FioTest {
    @AutoClose private final Rig rig;

    FioTest(final Rig.Place place) {
        rig = new Rig(place);
    }

    /** Four connections, each on a quarter of the disk of its own. */
    private void verify(final String readWrite, final String... more) {
        final String[] common = {
            "--name=verify",
            "--ioengine=nbd",
            "--uri=" + rig.uri(),
            "--rw=" + readWrite,
            "--size=8M",
            "--offset_increment=8M",
            "--numjobs=4",
            "--thread",
            "--iodepth=16",
            "--verify=crc32c",
            "--verify_fatal=1",
            "--do_verify=1",
            "--randseed=4711",
            "--group_reporting"
        };
        final String[] all = Arrays.copyOf(common, common.length + more.length);
        System.arraycopy(more, 0, all, common.length, more.length);
        rig.run(Tool.FIO, all);
    }

    @Test
    void randomWritesOfFourConnectionsVerify() {
        rig.serve(rig.hole("disk.img", 32 << 20));
        verify("randwrite", "--bs=4k", "--fsync=64");
    }

    @Test
    void mixedWritesOfAllSizesVerify() {
        rig.serve(rig.hole("disk.img", 32 << 20));
        verify("randrw", "--bsrange=512-128k", "--bs_unaligned=0", "--verify_backlog=64");
    }

    @Test
    void writesAfterTrimsVerify() {
        rig.serve(rig.random("disk.img", 32 << 20, 1));
        verify("trimwrite", "--bs=64k", "--serialize_overlap=1");
    }
}
