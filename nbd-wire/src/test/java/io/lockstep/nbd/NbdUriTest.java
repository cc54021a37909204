package io.lockstep.nbd;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

import java.util.stream.Stream;

final class NbdUriTest {
    private static NbdUri tcp(final String host, final int port, final String export) {
        return new NbdUri(false, host, port, null, export);
    }

    private static NbdUri unix(final String socket, final String export) {
        return new NbdUri(false, null, -1, socket, export);
    }

    static Stream<Object[]> readings() {
        return Stream.of(
                new Object[] {"nbd://example.com/disk", tcp("example.com", 10809, "disk")},
                new Object[] {"nbd://example.com", tcp("example.com", 10809, "")},
                new Object[] {"nbd://example.com/", tcp("example.com", 10809, "")},
                new Object[] {"nbd://example.com//disk", tcp("example.com", 10809, "/disk")},
                new Object[] {
                    "nbd://example.com/hello%20world", tcp("example.com", 10809, "hello world")
                },
                new Object[] {"nbd://host:10810/a+b", tcp("host", 10810, "a+b")},
                new Object[] {"nbd://host:/x", tcp("host", 10809, "x")},
                new Object[] {"NBD://host", tcp("host", 10809, "")},
                new Object[] {"nbd://", tcp("", 10809, "")},
                new Object[] {"nbd:///disk", tcp("", 10809, "disk")},
                new Object[] {"nbd://:0", tcp("", 0, "")},
                new Object[] {"nbd://[::1]", tcp("::1", 10809, "")},
                new Object[] {"nbd://[fe80::1%25eth0]:9/d", tcp("fe80::1%eth0", 9, "d")},
                new Object[] {"nbd://127.0.0.1:65535", tcp("127.0.0.1", 65535, "")},
                new Object[] {"nbd://h/%C3%A4", tcp("h", 10809, "\u00e4")},
                new Object[] {
                    "nbd+unix:///disk?socket=/run/nbd.sock", unix("/run/nbd.sock", "disk")
                },
                new Object[] {"nbd+unix://?socket=nbd.sock", unix("nbd.sock", "")},
                new Object[] {
                    "nbd+unix:////d?socket=/a%20b/%25%3f%26=%c3%a4", unix("/a b/%?&=\u00e4", "/d")
                },
                new Object[] {
                    "nbds://host/disk?tls-type=x509", new NbdUri(true, "host", 10809, null, "disk")
                },
                new Object[] {
                    "nbds+unix:///?socket=s&tls-hostname=h", new NbdUri(true, null, -1, "s", "")
                });
    }

    @ParameterizedTest
    @MethodSource("readings")
    void reads_what_the_standard_describes(final String text, final NbdUri expected) {
        assertEquals(expected, NbdUri.parse(text));
    }

    @ParameterizedTest
    @MethodSource("readings")
    void what_it_writes_reads_as_the_same(final String text, final NbdUri expected) {
        assertEquals(expected, NbdUri.parse(expected.toString()), text);
    }

    @Test
    void writes_plainly_what_needs_no_encoding() {
        assertEquals("nbd://localhost:10809/disk", tcp("localhost", 10809, "disk").toString());
        assertEquals("nbd://[::1]:7/", tcp("::1", 7, "").toString());
        assertEquals("nbd+unix:///a%3Fb?socket=/run/x.sock", unix("/run/x.sock", "a?b").toString());
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            textBlock =
                    """
                    localhost:10809                 | scheme localhost is not known
                    localhost                       | does not begin with nbd://
                    http://host/                    | scheme http is not known
                    nbd:host                        | two slashes
                    nbd://::1                       | more than one colon
                    nbd://[::1                      | closing ]
                    nbd://[::1]x                    | only a port may follow
                    nbd://[host]                    | no IPv6 address
                    nbd://host:port                 | port port is no number
                    nbd://host:-1                   | port -1 is no number
                    nbd://host:65536                | port 65536 is not within
                    nbd://user@host                 | a user name
                    nbd://host?socket=/x            | belongs to the scheme nbd+unix
                    nbd://host?                     | parameter  is not known
                    nbd://host?colour=blue          | parameter colour is not known
                    nbd://host?tls-type=psk         | parameter tls-type is not known
                    nbd+unix:///disk                | names no ?socket=PATH
                    nbd+unix:///disk?socket         | socket path is empty
                    nbd+unix:///?socket=a&socket=b  | there twice
                    nbd+unix://host/?socket=a       | has no host
                    nbd+unix:///?socket=%00/abstract| abstract namespace
                    nbd://host/%zz                  | two hexadecimal digits
                    nbd://host/%4                   | two hexadecimal digits
                    nbd://host/%ff                  | is not UTF-8
                    nbd://host/%00                  | contains NUL
                    nbd://host/a#b                  | contains #, which is written as %23
                    nbd://host/a b                  | space or control character
                    """)
    void says_what_is_wrong_and_how_it_is_right(final String text, final String reason) {
        final String message =
                assertThrows(IllegalArgumentException.class, () -> NbdUri.parse(text)).getMessage();

        assertTrue(message.contains(reason), message);
        assertTrue(message.contains("write nbd://localhost:10809/disk"), message);
    }

    @ParameterizedTest
    @ValueSource(ints = {4097, 100_000})
    void an_export_name_beyond_the_protocols_limit_is_refused(final int length) {
        final String text = "nbd://host/" + "x".repeat(length);

        assertThrows(IllegalArgumentException.class, () -> NbdUri.parse(text));
    }
}
