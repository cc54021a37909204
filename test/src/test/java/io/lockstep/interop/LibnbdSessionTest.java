package io.lockstep.interop;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;

import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** {@code lockstep serve} against libnbd: handshakes, limits, and requests that break the rules. */
final class LibnbdSessionTest {
    private static final int MIB = 1 << 20;

    @AutoClose private final Rig rig = new Rig();

    @Test
    void simpleRepliesCarryTheSameBytes() {
        final Path file = rig.write(rig.hole("disk.img", MIB), 64 << 10, Rig.randomBytes(5000, 1));
        rig.serve(file);
        rig.python(
                """
                h = connect(sys.argv[1], lambda h: h.set_request_structured_replies(False))
                assert not h.get_structured_replies_negotiated()
                assert not h.can_meta_context(nbd.CONTEXT_BASE_ALLOCATION)
                same(h.pread(1 << 20, 0), open(sys.argv[2], 'rb').read())
                h.pwrite(b'simple', 5)
                same(h.pread(8, 4), b'\\0simple\\0')
                """,
                rig.uri(),
                file.toString());
    }

    @Test
    void whatLiesBeyondTheEndIsRefusedAndTheConnectionStays() {
        rig.serve(rig.hole("disk.img", MIB));
        rig.python(
                """
                h = unchecked(sys.argv[1])
                end = 1 << 20
                extent = lambda *arguments: 0
                for offset in (end - 1, end, end + 1, (1 << 63) - 1, (1 << 64) - 1):
                    expect(errno.EINVAL, h.pread, 2, offset)
                    expect(errno.ENOSPC, h.pwrite, b'xx', offset)
                    expect(errno.ENOSPC, h.zero, 2, offset)
                    expect(errno.EINVAL, h.trim, 2, offset)
                    expect(errno.EINVAL, h.cache, 2, offset)
                    expect(errno.EINVAL, h.block_status, 2, offset, extent)
                h.pwrite(b'x', end - 1)
                same(h.pread(2, end - 2), b'\\0x')
                """,
                rig.uri());
    }

    @Test
    void unknownFlagsAreRefusedAndTheConnectionStays() {
        rig.serve(rig.hole("disk.img", MIB));
        rig.python(
                """
                h = unchecked(sys.argv[1])
                expect(errno.EINVAL, h.pread, 512, 0, 1 << 10)
                expect(errno.EINVAL, h.pwrite, b'x' * 512, 0, 1 << 10)
                expect(errno.EINVAL, h.trim, 512, 0, nbd.CMD_FLAG_NO_HOLE)
                same(h.pread(512, 0), bytes(512))
                """,
                rig.uri());
    }

    @Test
    void requestsOfNoLengthEndNoConnection() {
        rig.serve(rig.hole("disk.img", MIB));
        rig.python(
                """
                h = unchecked(sys.argv[1])
                same(h.pread(0, 0), b'')
                same(h.pread_structured(0, 0, lambda *arguments: 0), b'')
                h.pwrite(b'', 4096)
                h.zero(0, 0)
                h.trim(0, 0)
                h.cache(0, 0)
                expect(errno.EINVAL, h.block_status, 0, 0, lambda *arguments: 0)
                same(h.pread(512, 0), bytes(512))
                """,
                rig.uri());
    }

    @Test
    void anOldClientEntersByExportName() {
        final Path file = rig.random("disk.img", MIB, 1);
        rig.serve(file);
        rig.python(
                """
                content = open(sys.argv[2], 'rb').read()
                for flags in (0, nbd.HANDSHAKE_FLAG_NO_ZEROES, nbd.HANDSHAKE_FLAG_FIXED_NEWSTYLE):
                    h = connect(sys.argv[1], lambda h: h.set_handshake_flags(flags))
                    same(h.pread(1 << 20, 0), content)
                    h.shutdown()
                """,
                rig.uri(),
                file.toString());
    }

    @Test
    void optionsMayBeNegotiatedOneByOne() {
        final Path a = rig.hole("a.img", MIB);
        final Path b = rig.hole("b.img", 2 * MIB);
        rig.serveWith("--disk", "a=" + a, "--disk", "b=" + b, "--listen", rig.uri(""));
        rig.python(
                """
                h = nbd.NBD()
                h.set_opt_mode(True)
                h.connect_unix(sys.argv[1])
                exports = []
                h.opt_list(lambda name, description: exports.append((name, description)))
                assert exports == [('a', 'a.img'), ('b', 'b.img')], exports
                for name, size in (('a', 1 << 20), ('b', 2 << 20)):
                    h.set_export_name(name)
                    h.opt_info()
                    assert h.get_size() == size
                    for queries in ([], ['base:'], ['base:allocation']):
                        contexts = []
                        h.clear_meta_contexts()
                        for query in queries:
                            h.add_meta_context(query)
                        h.opt_list_meta_context(contexts.append)
                        assert contexts == ['base:allocation'], contexts
                    h.clear_meta_contexts()
                    h.add_meta_context('foreign:context')
                    contexts = []
                    h.opt_list_meta_context(contexts.append)
                    assert contexts == [], contexts
                h.set_export_name('c')
                expect(errno.ENOENT, h.opt_info)
                expect(errno.ENOENT, h.opt_go)
                h.set_export_name('')
                expect(errno.ENOENT, h.opt_go)
                h.set_export_name('b')
                h.opt_go()
                assert h.get_size() == 2 << 20
                """,
                rig.socket().toString());
    }

    @Test
    void anExportMayHaveAnyName() {
        final String punctuated = "with space & %41+;";
        final String path = "a/b/c";
        final String unicode = "прив\u00e9t 磁盘";
        final String longest = "n".repeat(4096);
        final List<String> arguments = new ArrayList<>();
        int number = 0;
        for (final String name : List.of(punctuated, path, unicode, longest)) {
            arguments.add("--disk");
            arguments.add(name + "=" + rig.hole(number + ".img", 4096L * ++number));
        }
        arguments.add("--listen");
        arguments.add(rig.uri(""));
        rig.serveWith(arguments.toArray(String[]::new));
        rig.python(
                """
                for size, name in enumerate(sys.argv[2:], 1):
                    h = nbd.NBD()
                    h.set_export_name(name)
                    h.connect_unix(sys.argv[1])
                    assert h.get_size() == 4096 * size, name
                """,
                rig.socket().toString(),
                punctuated,
                path,
                unicode,
                longest);
    }

    @Test
    void aClientThatAsksForTlsIsToldThatThereIsNone() {
        rig.serve(rig.hole("disk.img", MIB));
        rig.python(
                """
                def tls(mode):
                    def configure(h):
                        assert h.supports_tls()
                        h.set_tls(mode)
                        h.set_tls_verify_peer(False)
                        h.set_uri_allow_tls(mode)
                    return configure
                h = connect(sys.argv[1], tls(nbd.TLS_ALLOW))
                assert not h.get_tls_negotiated()
                same(h.pread(512, 0), bytes(512))
                try:
                    h = nbd.NBD()
                    tls(nbd.TLS_REQUIRE)(h)
                    h.set_export_name('disk')
                    h.connect_unix(sys.argv[2])
                    raise AssertionError('no TLS, and no error')
                except nbd.Error as e:
                    assert e.errnum != errno.EPIPE, e
                """,
                rig.uri(),
                rig.socket().toString());
    }

    @Test
    void aReadOnlyDiskRefusesEveryChange() {
        final Path file = rig.random("disk.img", MIB, 1);
        rig.serveWith("--disk", "disk=" + file, "--read-only", "--listen", rig.uri(""));
        rig.python(
                """
                h = unchecked(sys.argv[1])
                assert h.is_read_only()
                expect(errno.EPERM, h.pwrite, b'x' * 512, 0)
                expect(errno.EPERM, h.zero, 512, 0)
                expect(errno.EPERM, h.trim, 512, 0)
                h.flush()
                h.cache(512, 0)
                same(h.pread(1 << 20, 0), open(sys.argv[2], 'rb').read())
                """,
                rig.uri(),
                file.toString());
        assertArrayEquals(Rig.randomBytes(MIB, 1), Rig.read(file));
    }

    @Test
    void theLongestPayloadPassesBothWays() {
        rig.serve(rig.hole("disk.img", 48 * MIB));
        rig.python(
                """
                h = unchecked(sys.argv[1])
                longest = h.get_block_size(nbd.SIZE_MAXIMUM)
                assert longest == 32 << 20, longest
                content = pattern(longest)
                h.pwrite(content, 4097)
                same(h.pread(longest, 4097), content)
                expect(errno.EOVERFLOW, h.pread, longest + 1, 0)
                h.zero(40 << 20, 0) # no payload, no such limit
                same(h.pread(longest, 0), bytes(longest))
                """,
                rig.uri());
    }
}
