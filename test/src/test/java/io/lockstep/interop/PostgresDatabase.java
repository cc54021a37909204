package io.lockstep.interop;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * PostgreSQL, with checksums of its pages, and several clients whose commits it flushes together.
 * The server does not run as root, so that it gets the directories that it needs.
 */
final class PostgresDatabase implements Database {
    private static final int CLIENTS = 4;
    private static final String USER = "postgres";

    /** PostgreSQL's protocol 3.0, as far as simple queries need it, and what all scripts say. */
    private static final String BOTH =
            """
            import socket, struct, threading
            ROWS = 3
            DATA = "repeat(md5(client || '-' || number || '-' || part), 30)"

            class Session:
                def __init__(self, directory):
                    connection = socket.socket(socket.AF_UNIX)
                    connection.connect(directory + '/.s.PGSQL.5432')
                    self.file = connection.makefile('rwb')
                    names = b'user\\0postgres\\0database\\0postgres\\0\\0'
                    self.send(b'', struct.pack('>I', 3 << 16) + names)

                def send(self, kind, body):
                    self.file.write(kind + struct.pack('>I', len(body) + 4) + body)
                    self.file.flush()
                    return self.rows()

                def query(self, text):
                    return self.send(b'Q', text.encode() + b'\\0')

                def take(self, length):
                    taken = self.file.read(length)
                    if len(taken) < length:
                        raise OSError('the server has gone')
                    return taken

                def rows(self):
                    rows, problem = [], None
                    while True:
                        kind, length = struct.unpack('>cI', self.take(5))
                        body = self.take(length - 4)
                        if kind == b'D':
                            rows.append(self.row(body))
                        elif kind == b'E':
                            problem = body.decode().split('\\0')
                        elif kind == b'Z' and problem:
                            raise OSError(problem)
                        elif kind == b'Z':
                            return rows

                def row(self, body):
                    row, at = [], 2
                    for _ in range(struct.unpack_from('>H', body)[0]):
                        length, = struct.unpack_from('>i', body, at)
                        row.append(body[at + 4:at + 4 + length].decode())
                        at += 4 + max(0, length)
                    return row
            """;

    private static final String MAKE =
            """
            s = Session(sys.argv[1])
            s.query('create extension amcheck')
            s.query('create table parts (client int, number int, part int, data text)')
            s.query('create unique index part on parts (client, number, part)')
            s.query('create table total (client int, count int)')
            for client in range(int(sys.argv[2])):
                s.query(f'insert into total values ({client}, 0)')
            """;

    private static final String WRITE =
            """
            def say(*words):
                sys.stdout.write(' '.join(map(str, words)) + chr(10)) # whole, as others print

            def work(client, number):
                try:
                    s = Session(sys.argv[1])
                    while True:
                        number += 1
                        say('begun', client, number)
                        s.query('begin')
                        for part in range(ROWS):
                            s.query(f'insert into parts select client, number, part, {DATA}'
                                    f' from (values ({client}, {number}, {part}))'
                                    ' as its (client, number, part)')
                            s.query(f'update total set count = count + 1 where client = {client}')
                        s.query('commit')
                        say('committed', client, number)
                except OSError as e:
                    say('ended', client, e)

            for client, number in enumerate(sys.argv[2:]):
                threading.Thread(target=work, args=(client, int(number))).start()
            """;

    private static final String CHECK =
            """
            s = Session(sys.argv[1])
            s.query("select bt_index_check('part', true)")
            problems = s.query("select * from verify_heapam('parts')")
            assert problems == [], problems
            wrong = s.query(f'select client, number, part from parts where data <> {DATA}')
            assert wrong == [], wrong
            for client in range(int(sys.argv[2])):
                (count, last), = s.query('select count(*), coalesce(max(number), 0) from parts'
                                         f' where client = {client}')
                total = s.query(f'select count from total where client = {client}')
                assert total == [[count]], (client, total, count)
                assert int(count) == ROWS * int(last), (client, count, last)
                print(last)
            """;

    private final Rig rig;
    private final Path sockets;
    private Program server;

    /** Nothing of it yet. */
    PostgresDatabase(final Rig rig) {
        this.rig = rig;
        Tool.POSTGRES.path();
        sockets = rig.path("sockets");
        try {
            Files.setPosixFilePermissions(
                    rig.directory(), PosixFilePermissions.fromString("rwx--x--x"));
            give(Files.createDirectory(sockets));
        } catch (final IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static void give(final Path directory) throws IOException {
        Files.setOwner(
                directory,
                directory
                        .getFileSystem()
                        .getUserPrincipalLookupService()
                        .lookupPrincipalByName(USER));
    }

    private static List<String> asItsUser(final Path program, final String... arguments) {
        final List<String> command = new ArrayList<>(List.of(Tool.SETPRIV.path().toString()));
        command.addAll(List.of("--reuid=" + USER, "--regid=" + USER, "--clear-groups"));
        command.add(program.toString());
        command.addAll(List.of(arguments));
        return command;
    }

    @Override
    public int clients() {
        return CLIENTS;
    }

    @Override
    public void make(final Path directory) {
        final Path data = directory.resolve("data");
        try {
            give(directory);
        } catch (final IOException e) {
            throw new UncheckedIOException(e);
        }
        final List<String> command =
                asItsUser(
                        Tool.POSTGRES.path().resolveSibling("initdb"),
                        "--pgdata=" + data,
                        "--username=" + USER,
                        "--auth=trust",
                        "--data-checksums",
                        "--wal-segsize=1",
                        "--encoding=UTF8",
                        "--locale=C");
        try (Program program = Program.start("initdb", command, rig.directory())) {
            if (program.awaitExit() != 0) {
                throw new AssertionError(program.transcript());
            }
        }
        serve(directory);
        rig.python(BOTH + MAKE, sockets.toString(), Integer.toString(CLIENTS));
    }

    /** Serves what is there, as soon as it is recovered. */
    private void serve(final Path directory) {
        final List<String> command = new ArrayList<>(List.of("sh", "-c", "exec \"$@\" 2>&1", "sh"));
        command.addAll(
                asItsUser(
                        Tool.POSTGRES.path(),
                        "-D",
                        directory.resolve("data").toString(),
                        "-k",
                        sockets.toString(),
                        "-c",
                        "listen_addresses=",
                        "-c",
                        "dynamic_shared_memory_type=mmap",
                        "-c",
                        "restart_after_crash=off",
                        "-c",
                        "max_wal_size=8MB"));
        server = Program.start("postgres", command, rig.directory());
        rig.keep(this::end); // before the directory's file system is taken away
        server.awaitLine(line -> line.contains("ready to accept connections"));
    }

    @Override
    public Program work(final Path directory, final int[] before) {
        final List<String> arguments = new ArrayList<>(List.of(sockets.toString()));
        Arrays.stream(before).forEach(number -> arguments.add(Integer.toString(number)));
        return rig.startPython(BOTH + WRITE, arguments.toArray(String[]::new));
    }

    /** At once, as if it had crashed, but that it gives back the kernel's shared memory. */
    @Override
    public void end() {
        if (server != null) {
            try (Program ending = server) {
                server = null;
                ending.signal("QUIT");
                ending.awaitExit();
            }
        }
    }

    @Override
    public int[] check(final Path directory) {
        serve(directory);
        return rig.python(BOTH + CHECK, sockets.toString(), Integer.toString(CLIENTS))
                .out()
                .lines()
                .mapToInt(Integer::parseInt)
                .toArray();
    }
}
