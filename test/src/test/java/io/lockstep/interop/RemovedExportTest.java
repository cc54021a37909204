package io.lockstep.interop;

import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;

import java.util.List;

/** An export is removed, or its one place is taken, right after its client has gone. */
final class RemovedExportTest {
    private static final int ROUNDS = 200;

    @AutoClose private final Rig rig = new Rig();

    @Test
    void anExportIsFreeOnceItsClientHasExited() {
        final String socket = rig.path("nbd").toString();
        final String control = rig.path("qmp").toString();
        rig.server(
                List.of(
                        "engine",
                        "-drive",
                        "if=none,id=a,driver=raw,file.filename=" + rig.hole("a.img", 1 << 20),
                        "-qmp",
                        "unix:" + control + ",server=on,wait=off"));
        rig.python(
                """
                import json, socket
                s = socket.socket(socket.AF_UNIX)
                s.connect(sys.argv[2])
                f = s.makefile()
                f.readline()

                def execute(command, **arguments):
                    message = {'execute': command, 'arguments': arguments}
                    s.sendall(json.dumps(message).encode() + b'\\n')
                    while True:
                        answer = json.loads(f.readline())
                        if 'event' not in answer:
                            assert 'error' not in answer, f'round {n}: {answer}'
                            return

                n = 0
                execute('qmp_capabilities')
                execute('nbd-server-start', addr={'type': 'unix', 'data': {'path': sys.argv[1]}},
                        **{'max-connections': 1})
                for n in range(int(sys.argv[3])):
                    execute('nbd-server-add', device='a', writable=True)
                    for client in range(2):
                        child = os.fork()
                        if child == 0:
                            try:
                                h = connect('nbd+unix:///a?socket=' + sys.argv[1])
                                h.pwrite(b'1' * 4096, 0)
                                if n % 2:
                                    h.shutdown()
                            except BaseException as e:
                                print(n, client, e)
                                os._exit(1)
                            os._exit(0)
                        status = os.waitpid(child, 0)[1]
                        assert status == 0, f'round {n}, client {client}: {status}'
                    execute('nbd-server-remove', name='a')
                """,
                socket, control, Integer.toString(ROUNDS));
    }

    /** On whichever of the server's loops the two are. */
    @Test
    void aPlaceIsFreeOnceItsClientHasExited() {
        rig.serveWith(
                "--disk",
                "disk=" + rig.hole("disk.img", 1 << 20),
                "--max-connections",
                "1",
                "--listen",
                rig.uri(""));
        rig.python(
                """
                for n in range(int(sys.argv[2])):
                    child = os.fork()
                    if child == 0:
                        try:
                            connect(sys.argv[1]).pread(4096, 0)
                        except BaseException as e:
                            print(n, e)
                            os._exit(1)
                        os._exit(0)
                    assert os.waitpid(child, 0)[1] == 0, f'round {n}'
                """,
                rig.uri(),
                Integer.toString(ROUNDS));
    }
}
