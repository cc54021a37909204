package io.lockstep.interop;

import java.nio.file.Path;

/** SQLite, in the process of its only client, with a write-ahead log. */
final class SqliteDatabase implements Database {
    private static final String BOTH =
            """
            import sqlite3
            ROWS = 3

            def data(number, part):
                return pattern(1000 + 400 * part, number * ROWS + part)

            # One that checkpoints its log often, so that a kill meets that as well.
            def open_database(directory):
                c = sqlite3.connect(directory + '/transactions.db', isolation_level=None)
                assert c.execute('pragma journal_mode=wal').fetchone() == ('wal',)
                c.execute('pragma synchronous=full')
                c.execute('pragma wal_autocheckpoint=50')
                return c
            """;

    private static final String MAKE =
            """
            c = open_database(sys.argv[1])
            c.execute('create table parts (number integer, part integer, data blob)')
            c.execute('create unique index part on parts (number, part)')
            c.execute('create table total (count integer, bytes integer)')
            c.execute('insert into total values (0, 0)')
            c.close()
            """;

    private static final String WRITE =
            """
            c = open_database(sys.argv[1])
            number = int(sys.argv[2])
            try:
                while True:
                    number += 1
                    print('begun 0', number)
                    c.execute('begin')
                    for part in range(ROWS):
                        its = data(number, part)
                        c.execute('insert into parts values (?, ?, ?)', (number, part, its))
                        c.execute('update total set count = count + 1, bytes = bytes + ?',
                                  (len(its),))
                    c.execute('commit')
                    print('committed 0', number)
            except sqlite3.Error as e:
                print('ended', e)
            """;

    private static final String CHECK =
            """
            c = open_database(sys.argv[1])
            problems = c.execute('pragma integrity_check').fetchall()
            assert problems == [('ok',)], problems
            count = bytes_ = last = 0
            for number, part, its in c.execute('select * from parts order by number, part'):
                assert (number, part) == (count // ROWS + 1, count % ROWS), (number, part, count)
                same(its, data(number, part), f'transaction {number}, row {part}')
                count, bytes_, last = count + 1, bytes_ + len(its), number
            assert count % ROWS == 0, f'a part of transaction {last}: {count} rows'
            total = c.execute('select * from total').fetchall()
            assert total == [(count, bytes_)], f'{total}, not {count}, {bytes_}'
            c.close()
            print(last)
            """;

    private final Rig rig;

    SqliteDatabase(final Rig rig) {
        this.rig = rig;
    }

    @Override
    public int clients() {
        return 1;
    }

    @Override
    public void make(final Path directory) {
        rig.python(BOTH + MAKE, directory.toString());
    }

    @Override
    public Program work(final Path directory, final int[] before) {
        return rig.startPython(BOTH + WRITE, directory.toString(), Integer.toString(before[0]));
    }

    @Override
    public void end() {
        // It is the client.
    }

    @Override
    public int[] check(final Path directory) {
        final String last = rig.python(BOTH + CHECK, directory.toString()).out().strip();
        return new int[] {Integer.parseInt(last)};
    }
}
