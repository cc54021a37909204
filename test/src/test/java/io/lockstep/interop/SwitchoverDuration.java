package io.lockstep.interop;

import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;

import java.util.Arrays;
import java.util.concurrent.TimeUnit;

/**
 * How long a guest waits in a switch of roles: from the last write that the former primary has
 * answered to the first that the new one has. A figure to look at, and no test: {@code
 * -Dtest=SwitchoverDuration -Dlockstep.switchover.measure=20} makes so many.
 */
@EnabledIfSystemProperty(named = SwitchoverDuration.ROUNDS, matches = "\\d+")
@Timeout(value = 30, unit = TimeUnit.MINUTES)
final class SwitchoverDuration {
    static final String ROUNDS = "lockstep.switchover.measure";

    private static final int LENGTH = 64 << 20;

    /** Not counted: what runs first is slower. */
    private static final int WARM_UP = 4;

    private static final String SCRIPT =
            """
            import json, socket, threading, time
            before, after, control = sys.argv[1:4]
            old, new = connect(before), connect(after)
            last = 0.0
            count = 0

            def write():
                global last, count
                n = 0
                try:
                    while True:
                        old.pwrite(bytes(4096), n % 4096 * 4096)
                        last = time.monotonic()
                        n += 1
                        count = n
                except nbd.Error:
                    pass

            writer = threading.Thread(target=write, daemon=True)
            writer.start()
            time.sleep(0.5)
            s = socket.socket(socket.AF_UNIX)
            s.connect(control)
            lines = s.makefile('rw')
            lines.readline()
            def execute(command):
                lines.write(json.dumps({'execute': command}) + chr(10))
                lines.flush()
                while True:
                    answer = json.loads(lines.readline())
                    if 'return' in answer or 'error' in answer:
                        return answer
            execute('qmp_capabilities')
            asked = time.monotonic()
            answer = execute('x-lockstep-switchover')
            answered = time.monotonic()
            assert 'return' in answer, answer
            new.pwrite(bytes(4096), 0)
            there = time.monotonic()
            print('%d %d %d' % (1e6 * (answered - asked), 1e6 * (there - last), count))
            """;

    @AutoClose private final Rig rig = new Rig();

    @Test
    void howLongAGuestWaits() {
        final SwitchingHost north = new SwitchingHost(rig, "n", "sl", LENGTH, "--first", "primary");
        final SwitchingHost south =
                new SwitchingHost(rig, "s", "nl", LENGTH, "--first", "secondary");
        south.start();
        north.start();
        final int rounds = Integer.getInteger(ROUNDS);
        final long[] commands = new long[rounds];
        final long[] waits = new long[rounds];
        for (int i = -WARM_UP; i < rounds; i++) {
            final boolean isBack = (i & 1) != 0;
            final SwitchingHost primary = isBack ? south : north;
            primary.awaitHealed();
            final String[] figures =
                    rig.python(
                                    SCRIPT,
                                    primary.guest(),
                                    (isBack ? north : south).guest(),
                                    primary.control().toString())
                            .out()
                            .strip()
                            .split(" ", -1);
            if (i >= 0) {
                commands[i] = Long.parseLong(figures[0]);
                waits[i] = Long.parseLong(figures[1]);
            }
        }
        Arrays.sort(commands);
        Arrays.sort(waits);
        System.out.printf(
                "switchover, %d times, in µs: the command p50 %d, max %d; the guest waits p50 %d,"
                        + " max %d%n",
                rounds,
                commands[rounds / 2],
                commands[rounds - 1],
                waits[rounds / 2],
                waits[rounds - 1]);
    }
}
