package io.lockstep.interop;

/**
 * Reads and writes exports for a test, one request after the other, each on a connection of its
 * own, with libnbd. What goes wrong is an answer like others.
 */
final class NbdShell {
    private static final String SCRIPT =
            """
            import re

            def runs(data):
                found = [m.group() for m in re.finditer(rb'(.)\\1*', data, re.DOTALL)]
                if len(found) == 1:
                    return '%02x' % data[0]
                return ' '.join('%02x*%d' % (run[0], len(run)) for run in found)

            # With structured replies QEMU tells of holes without a read, and breaks up where it can't.
            def simple(h):
                h.set_request_structured_replies(False)

            def do(what, uri, at, length, value):
                h = connect(uri, simple)
                answer = 'done'
                if what == 'read':
                    answer = runs(h.pread(length, at))
                elif what == 'write':
                    h.pwrite(bytes([value]) * length, at)
                h.shutdown()
                return answer

            for line in sys.stdin:
                number, what, uri, *more = line.split()
                try:
                    answer = do(what, uri, *map(int, more))
                except nbd.Error as e:
                    answer = errno.errorcode.get(e.errnum, 'no connection')
                print(number, answer)
            """;

    private final Program python;
    private int count;

    NbdShell(final Rig rig) {
        python = rig.startTalkingPython(SCRIPT);
    }

    /**
     * Reads.
     *
     * @return the bytes in hexadecimal, such as "11" where all are the same, or "11*4096 22*512";
     *     or the name of the error number
     */
    String read(final String uri, final int at, final int length) {
        return ask("read", uri, at, length, 0);
    }

    /**
     * Writes one byte over and over.
     *
     * @return "done", or the name of the error number
     */
    String write(final String uri, final int value, final int at, final int length) {
        return ask("write", uri, at, length, value);
    }

    private String ask(
            final String what, final String uri, final int at, final int length, final int value) {
        final String number = count++ + " ";
        python.say(number + what + " " + uri + " " + at + " " + length + " " + value);
        return python.awaitLine(line -> line.startsWith(number)).substring(number.length());
    }
}
